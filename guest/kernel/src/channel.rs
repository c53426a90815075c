//! Turns: how frames leave the VM and come back.
//!
//! What it is: a turn is one result of the VM and the host's next call. A program (through /dev/hypercell) or the kernel
//! itself queues one frame and stops; the host answers with one frame and the code goes on where it stopped. Guarantees:
//! strict alternation; long frames travel in chunks that nobody else sees. Never: reads the body of a program's frame.
//!
//! Before: link. After: vfs (the device), time, task.

use alloc::vec::Vec;

use hypercell_abi::frame::{
    ENTER_HEADER_BYTES, EXIT_HEADER_BYTES, EnterHeader, ExitHeader, FRAME_HEADER_BYTES, FrameHeader,
    FrameKind, Route, UnsupportedSyscall,
};
use hypercell_abi::limits::{MAX_FRAME_BYTES, MAX_OUTPUT_CHUNK_BYTES, MAX_UNSUPPORTED_SYSCALLS};
use hypercell_abi::link::{CHUNK_BYTES, Tag};
use hypercell_abi::message::{Exited, FileReply, FileRequest, GuestFrame, KernelRequest, OutputStream};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::arch;
use crate::cell::KernelCell;
use crate::errno::{Errno, SysResult};
use crate::link::{Entry, Link};
use crate::thread::usage;
use crate::{archive, hotset, loader, mm, paging, syscall, thread, time};

/// A line longer than this is sent in parts.
const MAX_LINE_BYTES: usize = 4096;

struct Channel {
    link: Option<Link>,
    /// Number of the host's call in progress.
    call: u32,
    /// Chunks of a turn that is still arriving.
    arriving: Vec<u8>,
    /// A turn that is still leaving, and how much of it has left.
    leaving: Vec<u8>,
    left: usize,
    /// The host's answer, waiting for whoever asked.
    reply: Vec<u8>,
    /// Frame that the program wrote and that leaves with its next read.
    outbox: Vec<u8>,
    /// What the program has not read yet.
    inbox: Vec<u8>,
    inbox_read: usize,
    /// Program output that is not a whole line yet, and its descriptor.
    line: Vec<u8>,
    line_fd: u32,
    /// Sequence number of the host's last frame.
    sequence: u32,
    /// The host has mounts that nobody has asked for yet.
    new_mounts: bool,
    started: bool,
    random: Option<ChaCha20Rng>,
}

static CHANNEL: KernelCell<Channel> = KernelCell::new(Channel {
    link: None,
    call: 0,
    arriving: Vec::new(),
    leaving: Vec::new(),
    left: 0,
    reply: Vec::new(),
    outbox: Vec::new(),
    inbox: Vec::new(),
    inbox_read: 0,
    line: Vec::new(),
    line_fd: 1,
    sequence: 0,
    new_mounts: false,
    started: false,
    random: None,
});

/// What to do after an entry was taken in.
enum Next {
    /// Send these bytes back and stop.
    Answer(Vec<u8>),
    /// A whole turn is here.
    Turn(Vec<u8>),
    /// The host wants to take a snapshot.
    Checkpoint,
}

/// Builds the transport; ends the VM if the host's layout makes no sense.
pub fn init() {
    match Link::new() {
        Ok(link) => CHANNEL.with(|c| c.link = Some(link)),
        Err(error) => arch::abort(error.0),
    }
}

/// Takes what the host brought and goes on with it.
pub fn on_entry(fresh: bool) -> ! {
    if fresh {
        // A copy of a snapshot must not repeat its random numbers: nothing is random until the host sent entropy.
        CHANNEL.with(|c| c.random = None);
    }
    match take_entry() {
        Next::Answer(bytes) => send_and_stop(bytes),
        Next::Checkpoint => checkpoint(),
        Next::Turn(turn) => begin_turn(turn),
    }
}

fn take_entry() -> Next {
    CHANNEL.with(|c| {
        let Some(link) = c.link.as_mut() else { arch::abort("entered before boot") };
        let bytes = match link.receive() {
            Ok(Entry::Checkpoint) => return Next::Checkpoint,
            Ok(Entry::Call(id, bytes)) => {
                c.call = id;
                bytes
            }
            Err(error) => arch::abort(error.0),
        };
        let Some((&tag, chunk)) = bytes.split_first() else { arch::abort("empty call") };
        match Tag::from_byte(tag) {
            Some(Tag::Next) => Next::Answer(c.next_chunk()),
            Some(tag @ (Tag::Last | Tag::More)) => {
                if c.arriving.len() + chunk.len() > MAX_FRAME_BYTES + ENTER_HEADER_BYTES {
                    arch::abort("turn too long");
                }
                c.arriving.extend_from_slice(chunk);
                match tag {
                    Tag::More => Next::Answer(alloc::vec![Tag::Next.byte()]),
                    _ => Next::Turn(core::mem::take(&mut c.arriving)),
                }
            }
            None => arch::abort("unknown chunk tag"),
        }
    })
}

impl Channel {
    fn kernel_frame(&self, message: &GuestFrame<'_>) -> Vec<u8> {
        match message.encode(self.sequence) {
            Ok(frame) => frame,
            Err(_) => arch::abort("a message of the kernel is above a limit"),
        }
    }

    fn next_chunk(&mut self) -> Vec<u8> {
        let rest = &self.leaving[self.left..];
        let n = rest.len().min(CHUNK_BYTES);
        let tag = if n < rest.len() { Tag::More } else { Tag::Last };
        let mut chunk = Vec::with_capacity(n + 1);
        chunk.push(tag.byte());
        chunk.extend_from_slice(&rest[..n]);
        self.left += n;
        if tag == Tag::Last {
            self.leaving = Vec::new();
            self.left = 0;
        }
        chunk
    }

    /// Returns the first chunk of a turn.
    fn start_leaving(&mut self, turn: Vec<u8>) -> Vec<u8> {
        self.leaving = turn;
        self.left = 0;
        self.next_chunk()
    }
}

/// Wraps a frame into a turn.
fn turn_of(frame: &[u8]) -> Vec<u8> {
    let s = arch::state();
    let mut unsupported = [UnsupportedSyscall::default(); MAX_UNSUPPORTED_SYSCALLS];
    let unsupported_count = syscall::take_unsupported(&mut unsupported);
    let header = ExitHeader {
        frame_len: frame.len() as u32,
        pages_used: s.frames_used.get(),
        pages_peak: s.frames_peak.get(),
        page_faults: s.faults.get(),
        syscalls: s.syscalls.get(),
        unsupported,
        unsupported_count: unsupported_count as u16,
    };
    let mut turn = Vec::with_capacity(EXIT_HEADER_BYTES + frame.len());
    turn.extend_from_slice(&header.encode());
    turn.extend_from_slice(frame);
    turn
}

fn send(bytes: Vec<u8>) {
    CHANNEL.with(|c| {
        let id = c.call;
        let Some(link) = c.link.as_mut() else { arch::abort("no link") };
        if let Err(error) = link.send(id, bytes) {
            arch::abort(error.0);
        }
    });
}

fn send_and_stop(bytes: Vec<u8>) -> ! {
    send(bytes);
    arch::stop()
}

fn checkpoint() -> ! {
    mm::prepare_checkpoint();
    archive::map_all();
    CHANNEL.with(|c| {
        let Some(link) = c.link.as_mut() else { arch::abort("no link") };
        if let Err(error) = link.prepare_checkpoint() {
            arch::abort(error.0);
        }
    });
    paging::remove_alias();
    arch::halt_in_ring0()
}

/// Takes over the time, the memory limit and the entropy that a turn of the host brings; returns its frame's header and
/// body.
fn accept(turn: &[u8]) -> (FrameHeader, &[u8]) {
    let Ok((header, frame)) = EnterHeader::split(turn) else { arch::abort("bad turn header") };
    time::set(header.realtime_ns, header.tsc_khz);
    syscall::trace::set(header.traces_syscalls);
    thread::clock_was_set();
    if header.memory_limit_pages != 0 {
        mm::MM.with(|mm| mm.set_limit(u64::from(header.memory_limit_pages) * arch::PAGE));
    }
    CHANNEL.with(|c| {
        c.mix_entropy(&header.entropy);
        c.new_mounts |= header.has_mounts;
    });
    let Ok((frame_header, body)) = FrameHeader::split(frame) else { arch::abort("bad frame header") };
    CHANNEL.with(|c| c.sequence = frame_header.seq);
    (frame_header, body)
}

fn begin_turn(turn: Vec<u8>) -> ! {
    let (frame_header, body) = accept(&turn);
    if frame_header.kind == FrameKind::RunRequest {
        syscall::reset_unsupported();
    }
    if frame_header.kind.route() == Route::HostToKernel {
        match KernelRequest::decode(frame_header.kind, body) {
            Ok(KernelRequest::Boot { argv, env }) => {
                if CHANNEL.with(|c| core::mem::replace(&mut c.started, true)) {
                    arch::abort("booted twice");
                }
                // Until the host sets a limit, what scratch holds is the limit.
                mm::MM.with(|mm| mm.set_limit(u64::MAX));
                loader::start(&argv, &env)
            }
            Ok(KernelRequest::Checkpoint { record, hot }) => {
                let chunk = begin_checkpoint(record, hot);
                drop(turn);
                send_and_stop(chunk)
            }
            Ok(KernelRequest::Resume | KernelRequest::File(_)) => {}
            Err(_) => arch::abort("kernel frame does not decode"),
        }
    }
    if !CHANNEL.with(|c| c.started) {
        arch::abort("first turn must boot");
    }
    // Nothing owned may be left here: code after a jump to another stack never runs, so nothing would free it.
    CHANNEL.with(|c| c.reply = without_header(turn));
    arch::turn_resume()
}

/// Ends the recording that is going on, takes the hot set, starts a recording if asked; returns the answer.
fn begin_checkpoint(record: bool, hot: &[u8]) -> Vec<u8> {
    let recorded = hotset::recorded();
    if !hot.is_empty() {
        hotset::set(hot);
    }
    if record {
        hotset::start_recording();
    }
    CHANNEL.with(|c| {
        let frame = c.kernel_frame(&GuestFrame::Checkpointed { hot: &recorded });
        c.start_leaving(turn_of(&frame))
    })
}

impl Channel {
    /// Folds the host's entropy, the processor's and the old stream into a new stream. All-zero entropy is none.
    fn mix_entropy(&mut self, entropy: &[u8; 32]) {
        if entropy.iter().all(|&b| b == 0) {
            return;
        }
        let mut seed = *entropy;
        let mut old = [0; 32];
        if let Some(random) = &mut self.random {
            random.fill_bytes(&mut old);
        }
        for (i, byte) in seed.iter_mut().enumerate() {
            *byte ^= old[i];
        }
        for chunk in seed.chunks_exact_mut(8) {
            for (byte, extra) in chunk.iter_mut().zip(arch::rdrand().unwrap_or(0).to_le_bytes()) {
                *byte ^= extra;
            }
        }
        self.random = Some(ChaCha20Rng::from_seed(seed));
    }
}

/// Hands a frame to the host and returns its answer.
///
/// What the host may be able to answer at once is asked first, which costs half of what leaving the VM and being entered
/// again does (docs/decisions/0007). The host takes the frame over either way; an empty answer says that the VM shall be
/// left, and then nothing more is said.
fn exchange(frame: &[u8]) -> Vec<u8> {
    let mut turn = turn_of(frame);
    if may_ask(frame) && turn.len() <= CHUNK_BYTES {
        let answer = ask(core::mem::take(&mut turn), 0);
        if !answer.is_empty() {
            accept(&answer);
            return without_header(answer);
        }
    }
    leave(turn)
}

/// Leaves the VM with a turn and returns the frame that it is entered with.
fn leave(turn: Vec<u8>) -> Vec<u8> {
    let chunk = CHANNEL.with(|c| c.start_leaving(turn));
    usage::uncounted(|| {
        send(chunk);
        arch::turn_exit();
    });
    CHANNEL.with(|c| core::mem::take(&mut c.reply))
}

/// Asks the host about a file and hands its reply to `take`. `room` is how many bytes the reply may bring beyond what it
/// always has.
///
/// The host answers without the VM being left, unless the run is over.
pub fn ask_host<R>(request: &FileRequest<'_>, room: usize, take: impl FnOnce(FileReply<'_>) -> R) -> R {
    let frame = CHANNEL.with(|c| c.kernel_frame(&GuestFrame::File(*request)));
    let mut turn = turn_of(&frame);
    drop(frame);
    if turn.len() <= CHUNK_BYTES {
        let answer = ask(core::mem::take(&mut turn), room);
        if !answer.is_empty() {
            let (header, body) = accept(&answer);
            return take(file_reply(header.kind, body));
        }
    }
    let reply = leave(turn);
    let Ok((header, body)) = FrameHeader::split(&reply) else { arch::abort("bad frame header") };
    take(file_reply(header.kind, body))
}

fn file_reply(kind: FrameKind, body: &[u8]) -> FileReply<'_> {
    match KernelRequest::decode(kind, body) {
        Ok(KernelRequest::File(reply)) => reply,
        _ => arch::abort("the host does not answer about a file"),
    }
}

/// Whether the host has mounts that it has not been asked for yet, which it now is.
pub fn take_new_mounts() -> bool {
    CHANNEL.with(|c| core::mem::take(&mut c.new_mounts))
}

/// Whether the run goes on after this frame.
fn may_ask(frame: &[u8]) -> bool {
    FrameHeader::split(frame).is_ok_and(|(header, _)| {
        use FrameKind as Kind;
        matches!(header.kind, Kind::ToolCall | Kind::ToolWait | Kind::Output | Kind::Sleep | Kind::Syscall)
            || matches!(header.kind, Kind::HttpSend | Kind::HttpPart | Kind::HttpRead | Kind::HttpClose)
    })
}

fn ask(turn: Vec<u8>, room: usize) -> Vec<u8> {
    usage::uncounted(|| {
        CHANNEL.with(|c| {
            let Some(link) = c.link.as_mut() else { arch::abort("no link") };
            link.ask(turn, room).unwrap_or_else(|error| arch::abort(error.0))
        })
    })
}

fn without_header(mut turn: Vec<u8>) -> Vec<u8> {
    turn.drain(..ENTER_HEADER_BYTES);
    turn
}

/// Leaves the VM with a request of the kernel and returns the host's answer.
fn request(request: &GuestFrame<'_>) -> Vec<u8> {
    let frame = CHANNEL.with(|c| c.kernel_frame(request));
    exchange(&frame)
}

/// write(2) on /dev/hypercell: queues one whole frame, which leaves with the next read.
pub fn device_write(frame: &[u8]) -> SysResult {
    if frame.len() > MAX_FRAME_BYTES {
        return Err(Errno::EMSGSIZE);
    }
    // The kernel's own messages cannot be forged by accident; a hostile program could, and the host trusts neither.
    if !FrameHeader::split(frame).is_ok_and(|(header, _)| header.kind.route() == Route::ProgramToHost) {
        return Err(Errno::EINVAL);
    }
    CHANNEL.with(|c| {
        if !c.outbox.is_empty() {
            return Err(Errno::EBUSY);
        }
        c.outbox = frame.to_vec();
        Ok(frame.len() as u64)
    })
}

/// read(2) on /dev/hypercell: bytes of the host's answer, leaving the VM first if a frame is queued.
pub fn device_read(to: &mut [u8]) -> SysResult {
    let outgoing = CHANNEL.with(|c| {
        let done = c.inbox_read >= c.inbox.len();
        let mut frame = if done { core::mem::take(&mut c.outbox) } else { Vec::new() };
        // The program's first frame answers Boot, which it never saw; and turns of the kernel may lie in between.
        if let Some(field) = frame.get_mut(12..FRAME_HEADER_BYTES) {
            field.copy_from_slice(&c.sequence.to_le_bytes());
        }
        frame
    });
    if !outgoing.is_empty() {
        flush_line();
        if FrameHeader::split(&outgoing).is_ok_and(|(header, _)| header.kind == FrameKind::RunDone) {
            syscall::end_of_run();
        }
        let reply = exchange(&outgoing);
        CHANNEL.with(|c| {
            c.inbox = reply;
            c.inbox_read = 0;
        });
    }
    CHANNEL.with(|c| {
        let rest = &c.inbox[c.inbox_read..];
        if rest.is_empty() {
            // Nothing was asked, so nothing can answer: an error beats a wait without end.
            return Err(Errno::EIO);
        }
        let n = rest.len().min(to.len());
        to[..n].copy_from_slice(&rest[..n]);
        c.inbox_read += n;
        if c.inbox_read == c.inbox.len() {
            c.inbox = Vec::new();
            c.inbox_read = 0;
        }
        Ok(n as u64)
    })
}

/// write(2) on standard output or error. Whole lines leave at once; a beginning waits for the rest of its line, or until
/// the VM is left for another reason, because a C program may write a line in ten pieces.
pub fn output(fd: u32, bytes: &[u8]) -> SysResult {
    if CHANNEL.with(|c| c.line_fd != fd) {
        flush_line();
    }
    let send = CHANNEL.with(|c| {
        c.line_fd = fd;
        c.line.extend_from_slice(bytes);
        bytes.contains(&b'\n') || c.line.len() >= MAX_LINE_BYTES
    });
    if send {
        flush_line();
    }
    Ok(bytes.len() as u64)
}

/// Sends what `output` holds back.
fn flush_line() {
    let (fd, line) = CHANNEL.with(|c| (c.line_fd, core::mem::take(&mut c.line)));
    let Ok(stream) = OutputStream::from_fd(u64::from(fd)) else { return };
    for data in line.chunks(MAX_OUTPUT_CHUNK_BYTES) {
        request(&GuestFrame::Output { stream, data });
    }
}

/// Lets the host wait; the VM costs nothing meanwhile.
pub fn sleep_ns(ns: u64) {
    if ns > 0 {
        flush_line();
        request(&GuestFrame::Sleep { ns });
    }
}

/// Tells the host of a system call.
pub fn trace(call: &GuestFrame<'_>) {
    request(call);
}

/// Reports the end of the program; the VM does not run again unless it is restored.
pub fn exited(status: i32, signal: u32, report: &str) -> ! {
    flush_line();
    if signal == 0 {
        syscall::end_of_run();
    }
    loop {
        request(&GuestFrame::Exited(Exited { status: i64::from(status), signal: u64::from(signal), report }));
    }
}

/// Fills a buffer with random bytes.
///
/// # Errors
///
/// `EIO` before the host sent entropy to this copy of the VM.
pub fn random(to: &mut [u8]) -> Result<(), Errno> {
    CHANNEL.with(|c| match &mut c.random {
        Some(random) => {
            random.fill_bytes(to);
            Ok(())
        }
        None => Err(Errno::EIO),
    })
}
