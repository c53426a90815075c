//! Turns: the only code on the host that decodes guest bytes, and the only one that makes host turns.
//!
//! Guarantees: what comes out of `decode` was checked whole by `hypercell-abi` and answers the frame that was sent
//! last; any bytes may go in. Every turn to the guest carries the time, every one that enters it fresh entropy.
//! Never: decides whether a frame is welcome; that is for `dispatch` and the image builder.
//!
//! Before: `sandbox` and the image builder. After: the engine.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

use hypercell_abi::frame::{EnterHeader, ExitHeader, FrameHeader};
use hypercell_abi::{GuestFrame, HostFrame, KernelRequest, WireError};

use crate::clock::Moment;
use crate::error::{Error, ProtocolError, UsageError};

/// A frame to the guest.
#[derive(Debug, Clone)]
pub(crate) enum Outgoing<'a> {
    /// For the program.
    Program(HostFrame<'a>),
    /// For the kernel.
    Kernel(KernelRequest<'a>),
}

/// What a guest returned.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    /// Counters of the kernel. Claims: for display only.
    pub(crate) counters: ExitHeader,
    /// The frame.
    pub(crate) frame: GuestFrame<'a>,
}

/// The host's end of the conversation with one guest.
#[derive(Debug)]
pub(crate) struct Channel {
    seq: u32,
    memory_limit_pages: u32,
    is_fresh_start: bool,
    has_mounts: bool,
    knows_mounts: bool,
    traces_syscalls: bool,
}

impl Channel {
    /// Starts a conversation with a guest that was just booted or restored.
    pub(crate) fn new() -> Self {
        Self {
            seq: 0,
            memory_limit_pages: 0,
            is_fresh_start: true,
            has_mounts: false,
            knows_mounts: false,
            traces_syscalls: false,
        }
    }

    /// Sets the memory limit that the next turn carries.
    pub(crate) fn limit_memory(&mut self, pages: u32) {
        self.memory_limit_pages = pages;
    }

    /// Has the next turn tell the kernel that there are mounts, unless one has.
    pub(crate) fn announce_mounts(&mut self) {
        self.has_mounts = !std::mem::replace(&mut self.knows_mounts, true);
    }

    /// Has the turns from now on ask the kernel to tell of system calls, or not to.
    pub(crate) fn trace_syscalls(&mut self, traces_syscalls: bool) {
        self.traces_syscalls = traces_syscalls;
    }

    /// Makes the turn for a frame.
    ///
    /// Each request has a new number. The answer to Output, Sleep, FileRequest and Syscall repeats the number of the request that the guest is
    /// still working on: the kernel sends those too, and the program does not learn of it.
    ///
    /// # Errors
    ///
    /// [`UsageError::NotEncodable`] if the frame is above a limit of the wire, [`Error::Machine`] without entropy.
    pub(crate) fn encode(&mut self, frame: &Outgoing<'_>) -> Result<Vec<u8>, Error> {
        self.turn(frame, Moment::now()?)
    }

    /// Makes the turn for a frame that answers a guest which has not left the VM: without entropy, since no copy of the
    /// guest can have been made meanwhile.
    ///
    /// # Errors
    ///
    /// [`UsageError::NotEncodable`] if the frame is above a limit of the wire.
    pub(crate) fn encode_answer(&mut self, frame: &Outgoing<'_>) -> Result<Vec<u8>, Error> {
        self.turn(frame, Moment::without_entropy())
    }

    fn turn(&mut self, frame: &Outgoing<'_>, moment: Moment) -> Result<Vec<u8>, Error> {
        let is_interlude = matches!(
            frame,
            Outgoing::Program(HostFrame::OutputAck)
                | Outgoing::Kernel(KernelRequest::Resume | KernelRequest::File(_))
        );
        let seq = if is_interlude { self.seq } else { self.seq.wrapping_add(1) };
        let not_encodable = |source| UsageError::NotEncodable { source };
        let bytes = match frame {
            Outgoing::Program(frame) => frame.encode(seq).map_err(not_encodable)?,
            Outgoing::Kernel(request) => request.encode(seq).map_err(not_encodable)?,
        };
        let frame_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let Moment { realtime_ns, tsc_khz, entropy } = moment;
        let header = EnterHeader {
            frame_len,
            memory_limit_pages: std::mem::take(&mut self.memory_limit_pages),
            realtime_ns,
            entropy,
            tsc_khz,
            is_fresh_start: std::mem::take(&mut self.is_fresh_start),
            has_mounts: std::mem::take(&mut self.has_mounts),
            traces_syscalls: self.traces_syscalls,
        };
        self.seq = seq;
        Ok([&header.encode()[..], &bytes].concat())
    }

    /// Takes a turn of the guest apart. Input is guest-controlled.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::Wire`].
    pub(crate) fn decode<'a>(&self, turn: &'a [u8]) -> Result<Incoming<'a>, ProtocolError> {
        self.decode_wire(turn).map_err(ProtocolError::from)
    }

    fn decode_wire<'a>(&self, turn: &'a [u8]) -> Result<Incoming<'a>, WireError> {
        let (counters, frame) = ExitHeader::split(turn)?;
        let (header, body) = FrameHeader::split(frame)?;
        header.expect_seq(self.seq)?;
        Ok(Incoming { counters, frame: GuestFrame::decode(header.kind, body)? })
    }
}

#[cfg(test)]
mod tests {
    use hypercell_abi::message::OutputStream;

    use super::*;

    fn answer(frame: &GuestFrame<'_>, seq: u32) -> Vec<u8> {
        let frame = frame.encode(seq).expect("a small frame");
        let header =
            ExitHeader { frame_len: u32::try_from(frame.len()).expect("small"), ..Default::default() };
        [&header.encode()[..], &frame].concat()
    }

    fn sent(turn: &[u8]) -> (EnterHeader, FrameHeader) {
        let (enter, frame) = EnterHeader::split(turn).expect("a turn");
        (enter, FrameHeader::decode(frame).expect("a frame"))
    }

    #[test]
    fn first_turn_alone_is_a_fresh_start_with_the_memory_limit() {
        let mut channel = Channel::new();
        channel.limit_memory(7);
        let (first, _) = sent(&channel.encode(&Outgoing::Program(HostFrame::Reset)).expect("a turn"));
        let (second, _) = sent(&channel.encode(&Outgoing::Program(HostFrame::Reset)).expect("a turn"));
        assert_eq!((first.is_fresh_start, first.memory_limit_pages), (true, 7));
        assert_eq!((second.is_fresh_start, second.memory_limit_pages), (false, 0));
        assert_ne!(first.entropy, second.entropy);
    }

    #[test]
    fn answers_to_output_and_sleep_keep_the_number_of_the_request() {
        let mut channel = Channel::new();
        let mut numbers = Vec::new();
        for frame in [
            Outgoing::Program(HostFrame::Reset),
            Outgoing::Program(HostFrame::OutputAck),
            Outgoing::Kernel(KernelRequest::Resume),
            Outgoing::Program(HostFrame::Reset),
        ] {
            numbers.push(sent(&channel.encode(&frame).expect("a turn")).1.seq);
        }
        assert_eq!(numbers, [1, 1, 1, 2]);
    }

    #[test]
    fn turn_with_another_number_is_refused() {
        let mut channel = Channel::new();
        channel.encode(&Outgoing::Program(HostFrame::Reset)).expect("a turn");
        let frame = GuestFrame::Output { stream: OutputStream::Stdout, data: b"x" };
        assert!(channel.decode(&answer(&frame, 1)).is_ok());
        let error = channel.decode(&answer(&frame, 2)).expect_err("another number");
        assert_eq!(error, ProtocolError::Wire { source: WireError::SeqMismatch { found: 2, expected: 1 } });
    }

    #[test]
    fn turn_cut_anywhere_is_refused() {
        let channel = Channel::new();
        let turn = answer(&GuestFrame::Sleep { ns: 5 }, 0);
        assert!(channel.decode(&turn).is_ok());
        for len in 0..turn.len() {
            assert!(channel.decode(&turn[..len]).is_err(), "{len} bytes");
        }
    }
}
