//! Turn headers, the frame header, and the list of frame kinds.
//!
//! Guarantees: a header that decodes has the right magic and version, a kind from the list, reserved fields of zero
//! and a length within the cap; the cap is checked before anything else is done with the length. All numbers are
//! little endian. It must never look into a body.
//!
//! Before: bytes of a turn. After: `message` decodes the body.

use crate::error::WireError;
use crate::limits::{MAX_FRAME_BYTES, MAX_UNSUPPORTED_SYSCALLS};
use crate::version::{ABI_VERSION, check_version};

/// "HCEL": a frame header.
pub const FRAME_MAGIC: u32 = 0x4C45_4348;
/// "HCEN": an enter header, host to kernel.
pub const ENTER_MAGIC: u32 = 0x4E45_4348;
/// "HCEX": an exit header, kernel to host.
pub const EXIT_MAGIC: u32 = 0x5845_4348;
/// Bytes of a frame header.
pub const FRAME_HEADER_BYTES: usize = 16;
/// Bytes of an enter header.
pub const ENTER_HEADER_BYTES: usize = 64;
/// Bytes of an exit header.
pub const EXIT_HEADER_BYTES: usize = 80;
/// Bytes of fresh randomness in each enter header.
pub const ENTROPY_BYTES: usize = 32;
/// Enter flag: this turn is the first after a restore; fold the entropy in and reseed all generators.
pub const ENTER_FRESH_START: u32 = 1;
/// Enter flag: the sandbox has mounts, which the kernel asks for when it first needs them.
pub const ENTER_HAS_MOUNTS: u32 = 2;
/// Enter flag: the kernel reports each system call, until a turn comes without this flag.
pub const ENTER_TRACES_SYSCALLS: u32 = 4;

/// Who sends a frame to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Host to the program in the guest, passed through by the kernel.
    HostToProgram,
    /// Program to host, passed through by the kernel.
    ProgramToHost,
    /// Host to kernel; the program never sees it.
    HostToKernel,
    /// Kernel to host; the program cannot send it.
    KernelToHost,
}

macro_rules! frame_kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $route:ident;)*) => {
        /// What a frame is; `docs/abi.md` describes each under its name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum FrameKind {
            $($(#[$doc])* $name = $code,)*
        }

        impl FrameKind {
            /// Every kind, in the order of `docs/abi.md`.
            pub const ALL: &'static [FrameKind] = &[$(Self::$name,)*];

            /// Returns the kind with this code.
            ///
            /// # Errors
            ///
            /// [`WireError::UnknownKind`].
            pub fn from_code(code: u16) -> Result<Self, WireError> {
                match code {
                    $($code => Ok(Self::$name),)*
                    _ => Err(WireError::UnknownKind { kind: code }),
                }
            }

            /// Returns the code in the frame header.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// Returns the name, as spelled here and in `docs/abi.md`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// Returns who sends it to whom.
            #[must_use]
            pub const fn route(self) -> Route {
                match self {
                    $(Self::$name => Route::$route,)*
                }
            }
        }
    };
}

frame_kinds! {
    /// Run code.
    RunRequest = 0x0001, HostToProgram;
    /// Result of a tool call.
    ToolReply = 0x0002, HostToProgram;
    /// Answer to Output.
    OutputAck = 0x0003, HostToProgram;
    /// Import modules, while an image is built.
    Warm = 0x0004, HostToProgram;
    /// Drop kept globals.
    Reset = 0x0005, HostToProgram;
    /// Results of some of the calls in flight.
    ToolReplies = 0x0006, HostToProgram;
    /// This VM is a copy: take new random numbers.
    Reseed = 0x0007, HostToProgram;
    /// Head of a response.
    HttpHead = 0x0020, HostToProgram;
    /// Bytes of a response's body.
    HttpBody = 0x0021, HostToProgram;
    /// No response, or no more of it.
    HttpError = 0x0022, HostToProgram;
    /// Part of a request was taken, or a response was dropped.
    HttpAck = 0x0023, HostToProgram;
    /// First turn ever: load a program.
    Boot = 0x0081, HostToKernel;
    /// Come to a state that can be captured.
    Checkpoint = 0x0082, HostToKernel;
    /// Go on.
    Resume = 0x0083, HostToKernel;
    /// Answer to FileRequest.
    FileReply = 0x0090, HostToKernel;
    /// Waiting for a RunRequest.
    Ready = 0x0101, ProgramToHost;
    /// Bytes written to standard output or standard error.
    Output = 0x0102, ProgramToHost;
    /// Call of a tool by the submitted code.
    ToolCall = 0x0103, ProgramToHost;
    /// End of a run.
    RunDone = 0x0104, ProgramToHost;
    /// Modules are imported.
    Warmed = 0x0105, ProgramToHost;
    /// New calls, and a wait for the result of any in flight.
    ToolWait = 0x0106, ProgramToHost;
    /// Random numbers are new.
    Reseeded = 0x0107, ProgramToHost;
    /// An HTTP request, or its first part.
    HttpSend = 0x0120, ProgramToHost;
    /// More of a request's body.
    HttpPart = 0x0121, ProgramToHost;
    /// More of a response's body is wanted.
    HttpRead = 0x0122, ProgramToHost;
    /// No more of an exchange is wanted.
    HttpClose = 0x0123, ProgramToHost;
    /// Nothing to do for a while.
    Sleep = 0x0181, KernelToHost;
    /// The kernel gave up; the VM is dead.
    Abort = 0x0182, KernelToHost;
    /// Ready to be captured.
    Checkpointed = 0x0183, KernelToHost;
    /// The program is gone; the VM is dead until restored.
    Exited = 0x0184, KernelToHost;
    /// A system call that was traced.
    Syscall = 0x0185, KernelToHost;
    /// The program uses a file of the host, or leaves one for it.
    FileRequest = 0x0190, KernelToHost;
}

/// The 16 bytes before each body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the body is.
    pub kind: FrameKind,
    /// Bytes of the body.
    pub body_len: u32,
    /// The host's own number; a guest frame repeats that of the last host frame.
    pub seq: u32,
}

impl FrameHeader {
    /// Returns the header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut out = [0; FRAME_HEADER_BYTES];
        let mut fields = FieldWriter { rest: &mut out };
        fields.put(FRAME_MAGIC.to_le_bytes());
        fields.put(ABI_VERSION.to_le_bytes());
        fields.put(self.kind.code().to_le_bytes());
        fields.put(self.body_len.to_le_bytes());
        fields.put(self.seq.to_le_bytes());
        out
    }

    /// Reads the header at the start of `bytes`; a body may follow and is not looked at.
    ///
    /// Input is guest-controlled.
    ///
    /// # Errors
    ///
    /// [`WireError::HeaderTooShort`], [`WireError::BadMagic`], [`WireError::VersionMismatch`],
    /// [`WireError::FrameTooLong`] or [`WireError::UnknownKind`], the first that applies in this order.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut fields = FieldReader::new(bytes, FRAME_HEADER_BYTES)?;
        check_magic(fields.u32(), FRAME_MAGIC)?;
        check_version(fields.u16())?;
        let code = fields.u16();
        let body_len = fields.u32();
        check_frame_len(to_usize(body_len).saturating_add(FRAME_HEADER_BYTES))?;
        let kind = FrameKind::from_code(code)?;
        Ok(Self { kind, body_len, seq: fields.u32() })
    }

    /// Splits one whole frame into header and body.
    ///
    /// Input is guest-controlled.
    ///
    /// # Errors
    ///
    /// [`WireError::FrameTooLong`] before anything else, then as [`FrameHeader::decode`], and
    /// [`WireError::FrameLength`] if `frame` is not exactly as long as the header says.
    pub fn split(frame: &[u8]) -> Result<(Self, &[u8]), WireError> {
        check_frame_len(frame.len())?;
        let header = Self::decode(frame)?;
        let body = frame.get(FRAME_HEADER_BYTES..).unwrap_or_default();
        check_claim(body.len(), header.body_len)?;
        Ok((header, body))
    }

    /// Checks that this guest frame answers the host frame numbered `sent`.
    ///
    /// # Errors
    ///
    /// [`WireError::SeqMismatch`].
    pub fn expect_seq(&self, sent: u32) -> Result<(), WireError> {
        if self.seq == sent {
            Ok(())
        } else {
            Err(WireError::SeqMismatch { found: self.seq, expected: sent })
        }
    }
}

/// What the host tells the kernel on each entry, in 64 bytes before the frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EnterHeader {
    /// Bytes of the frame behind this header, its own header included.
    pub frame_len: u32,
    /// Pages the guest may use from now on; 0 keeps the limit.
    pub memory_limit_pages: u32,
    /// `CLOCK_REALTIME` now, in nanoseconds since 1970.
    pub realtime_ns: u64,
    /// Fresh randomness.
    pub entropy: [u8; ENTROPY_BYTES],
    /// Frequency of the time stamp counter; 0 if unknown.
    pub tsc_khz: u32,
    /// This turn is the first after a restore ([`ENTER_FRESH_START`]).
    pub is_fresh_start: bool,
    /// The sandbox has mounts.
    pub has_mounts: bool,
    /// System calls are to be reported, until a turn says otherwise.
    pub traces_syscalls: bool,
}

impl core::fmt::Debug for EnterHeader {
    /// Leaves the entropy out: it seeds the guest's random generators.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("EnterHeader")
            .field("frame_len", &self.frame_len)
            .field("memory_limit_pages", &self.memory_limit_pages)
            .field("realtime_ns", &self.realtime_ns)
            .field("tsc_khz", &self.tsc_khz)
            .field("is_fresh_start", &self.is_fresh_start)
            .field("has_mounts", &self.has_mounts)
            .field("traces_syscalls", &self.traces_syscalls)
            .finish_non_exhaustive()
    }
}

impl EnterHeader {
    /// Returns the header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; ENTER_HEADER_BYTES] {
        let mut out = [0; ENTER_HEADER_BYTES];
        let mut fields = FieldWriter { rest: &mut out };
        fields.put(ENTER_MAGIC.to_le_bytes());
        fields.put(ABI_VERSION.to_le_bytes());
        fields.put([0; 2]);
        fields.put(self.frame_len.to_le_bytes());
        fields.put(self.memory_limit_pages.to_le_bytes());
        fields.put(self.realtime_ns.to_le_bytes());
        fields.put(self.entropy);
        fields.put(self.tsc_khz.to_le_bytes());
        let fresh_start = if self.is_fresh_start { ENTER_FRESH_START } else { 0 };
        let has_mounts = if self.has_mounts { ENTER_HAS_MOUNTS } else { 0 };
        let traces = if self.traces_syscalls { ENTER_TRACES_SYSCALLS } else { 0 };
        fields.put((fresh_start | has_mounts | traces).to_le_bytes());
        out
    }

    /// Reads the header at the start of `bytes`; the frame may follow and is not looked at.
    ///
    /// # Errors
    ///
    /// [`WireError::HeaderTooShort`], [`WireError::BadMagic`], [`WireError::VersionMismatch`],
    /// [`WireError::ReservedNotZero`], [`WireError::FrameTooLong`] or [`WireError::UnknownFlags`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut fields = FieldReader::new(bytes, ENTER_HEADER_BYTES)?;
        check_magic(fields.u32(), ENTER_MAGIC)?;
        check_version(fields.u16())?;
        check_reserved(6, u32::from(fields.u16()))?;
        let frame_len = fields.u32();
        check_frame_len(to_usize(frame_len))?;
        let memory_limit_pages = fields.u32();
        let realtime_ns = fields.u64();
        let entropy = fields.take();
        let tsc_khz = fields.u32();
        let flags = fields.u32();
        if flags & !(ENTER_FRESH_START | ENTER_HAS_MOUNTS | ENTER_TRACES_SYSCALLS) != 0 {
            return Err(WireError::UnknownFlags { flags });
        }
        let is_fresh_start = flags & ENTER_FRESH_START != 0;
        let has_mounts = flags & ENTER_HAS_MOUNTS != 0;
        let traces_syscalls = flags & ENTER_TRACES_SYSCALLS != 0;
        Ok(Self {
            frame_len,
            memory_limit_pages,
            realtime_ns,
            entropy,
            tsc_khz,
            is_fresh_start,
            has_mounts,
            traces_syscalls,
        })
    }

    /// Splits one whole turn into header and frame.
    ///
    /// # Errors
    ///
    /// As [`EnterHeader::decode`], and [`WireError::FrameLength`] if the frame is not as long as the header says.
    pub fn split(turn: &[u8]) -> Result<(Self, &[u8]), WireError> {
        let header = Self::decode(turn)?;
        let frame = turn.get(ENTER_HEADER_BYTES..).unwrap_or_default();
        check_claim(frame.len(), header.frame_len)?;
        Ok((header, frame))
    }
}

/// A system call that the kernel does not have, and how often it was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnsupportedSyscall {
    /// Linux' number on x86-64.
    pub nr: u16,
    /// Attempts since the last exit, 65535 for more.
    pub count: u16,
}

/// What the kernel tells the host on each exit, in 80 bytes before the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExitHeader {
    /// Bytes of the frame behind this header, its own header included.
    pub frame_len: u32,
    /// Pages in use now.
    pub pages_used: u32,
    /// Most pages in use at once since the last fresh start.
    pub pages_peak: u32,
    /// Page faults served since the last fresh start, wrapping.
    pub page_faults: u32,
    /// System calls served since the last fresh start, wrapping.
    pub syscalls: u32,
    /// How many entries of `unsupported` hold.
    pub unsupported_count: u16,
    /// The first different unsupported system calls; entries beyond the count are zero.
    pub unsupported: [UnsupportedSyscall; MAX_UNSUPPORTED_SYSCALLS],
}

impl ExitHeader {
    /// Returns the header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; EXIT_HEADER_BYTES] {
        let mut out = [0; EXIT_HEADER_BYTES];
        let mut fields = FieldWriter { rest: &mut out };
        fields.put(EXIT_MAGIC.to_le_bytes());
        fields.put(ABI_VERSION.to_le_bytes());
        fields.put(self.unsupported_count.to_le_bytes());
        fields.put(self.frame_len.to_le_bytes());
        fields.put(self.pages_used.to_le_bytes());
        fields.put(self.pages_peak.to_le_bytes());
        fields.put(self.page_faults.to_le_bytes());
        fields.put(self.syscalls.to_le_bytes());
        fields.put([0; 4]);
        for entry in &self.unsupported {
            fields.put(entry.nr.to_le_bytes());
            fields.put(entry.count.to_le_bytes());
        }
        out
    }

    /// Reads the header at the start of `bytes`; the frame may follow and is not looked at.
    ///
    /// Input is guest-controlled. Counters are claims: nothing is decided by them but what is shown.
    ///
    /// # Errors
    ///
    /// [`WireError::HeaderTooShort`], [`WireError::BadMagic`], [`WireError::VersionMismatch`],
    /// [`WireError::FrameTooLong`], [`WireError::TooManyEntries`] or [`WireError::ReservedNotZero`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut fields = FieldReader::new(bytes, EXIT_HEADER_BYTES)?;
        check_magic(fields.u32(), EXIT_MAGIC)?;
        check_version(fields.u16())?;
        let unsupported_count = fields.u16();
        let frame_len = fields.u32();
        check_frame_len(to_usize(frame_len))?;
        if usize::from(unsupported_count) > MAX_UNSUPPORTED_SYSCALLS {
            return Err(WireError::TooManyEntries {
                field: "unsupported",
                count: u64::from(unsupported_count),
                max_count: MAX_UNSUPPORTED_SYSCALLS,
            });
        }
        let mut header = Self {
            frame_len,
            unsupported_count,
            pages_used: fields.u32(),
            pages_peak: fields.u32(),
            page_faults: fields.u32(),
            syscalls: fields.u32(),
            ..Self::default()
        };
        check_reserved(28, fields.u32())?;
        for entry in &mut header.unsupported {
            *entry = UnsupportedSyscall { nr: fields.u16(), count: fields.u16() };
        }
        Ok(header)
    }

    /// Splits one whole turn into header and frame.
    ///
    /// Input is guest-controlled.
    ///
    /// # Errors
    ///
    /// As [`ExitHeader::decode`], and [`WireError::FrameLength`] if the frame is not as long as the header says.
    pub fn split(turn: &[u8]) -> Result<(Self, &[u8]), WireError> {
        let header = Self::decode(turn)?;
        let frame = turn.get(EXIT_HEADER_BYTES..).unwrap_or_default();
        check_claim(frame.len(), header.frame_len)?;
        Ok((header, frame))
    }

    /// Returns the unsupported system calls that were recorded.
    pub fn unsupported(&self) -> impl Iterator<Item = UnsupportedSyscall> + '_ {
        self.unsupported.iter().copied().take(usize::from(self.unsupported_count))
    }
}

fn check_magic(found: u32, expected: u32) -> Result<(), WireError> {
    if found == expected { Ok(()) } else { Err(WireError::BadMagic { found, expected }) }
}

fn check_reserved(offset: usize, value: u32) -> Result<(), WireError> {
    if value == 0 { Ok(()) } else { Err(WireError::ReservedNotZero { offset, value }) }
}

pub(crate) fn check_frame_len(len_bytes: usize) -> Result<(), WireError> {
    if len_bytes <= MAX_FRAME_BYTES {
        Ok(())
    } else {
        Err(WireError::FrameTooLong { len_bytes, max_bytes: MAX_FRAME_BYTES })
    }
}

fn check_claim(len_bytes: usize, claimed: u32) -> Result<(), WireError> {
    let claimed_bytes = to_usize(claimed);
    if len_bytes == claimed_bytes { Ok(()) } else { Err(WireError::FrameLength { len_bytes, claimed_bytes }) }
}

/// Widens a length; this crate is built for 32 and 64 bits only.
fn to_usize(len: u32) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

/// Reads fixed fields from a header whose length has been checked once.
struct FieldReader<'a> {
    rest: &'a [u8],
}

impl<'a> FieldReader<'a> {
    fn new(bytes: &'a [u8], need_bytes: usize) -> Result<Self, WireError> {
        match bytes.get(..need_bytes) {
            Some(rest) => Ok(Self { rest }),
            None => Err(WireError::HeaderTooShort { len_bytes: bytes.len(), need_bytes }),
        }
    }

    /// Takes N bytes, or zeros past the end, which the sizes asserted in `tripwires` rule out.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.rest = rest;
                *head
            }
            None => [0; N],
        }
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

/// Writes fixed fields one behind the other.
struct FieldWriter<'a> {
    rest: &'a mut [u8],
}

impl FieldWriter<'_> {
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some((head, rest)) = core::mem::take(&mut self.rest).split_first_chunk_mut::<N>() {
            *head = bytes;
            self.rest = rest;
        }
    }
}
