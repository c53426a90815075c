//! What the kernel tells of one system call while the host has it traced.
//!
//! Guarantees and limits as in [`super`]. It must never know names of system calls: numbers cross, and each side has a
//! table of its own.
//!
//! Before: `guest`. After: `fields`.

use alloc::vec::Vec;

use crate::error::WireError;
use crate::fields::{Reader, Writer};
use crate::limits::{MAX_SYSCALL_ARGUMENTS, MAX_SYSCALL_TEXT_BYTES};

/// One system call of the program. All of it is claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syscall<'a> {
    /// Number of the thread.
    pub tid: u64,
    /// Linux' number on x86-64, or what the program took for one.
    pub nr: u64,
    /// At most [`MAX_SYSCALL_ARGUMENTS`].
    pub args: Vec<SyscallArg<'a>>,
    /// What it returned, an error as a negative number; `None` for a call that does not return.
    pub result: Option<i64>,
    /// When it began: `CLOCK_REALTIME`, in nanoseconds since 1970.
    pub began_ns: u64,
    /// How long it took, in nanoseconds.
    pub took_ns: u64,
}

/// An argument of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyscallArg<'a> {
    /// A register.
    Number(u64),
    /// The text that a register points to, its first [`MAX_SYSCALL_TEXT_BYTES`] if it is longer.
    Text(&'a [u8]),
}

/// Keys of the message.
pub(super) const SYSCALL_KEYS: u64 = 6;

impl<'a> Syscall<'a> {
    pub(super) fn write(&self, w: &mut Writer) -> Result<(), WireError> {
        w.key("tid").uint(self.tid);
        w.key("nr").uint(self.nr);
        w.key("args").list("args", &self.args, MAX_SYSCALL_ARGUMENTS, |w, arg| match arg {
            SyscallArg::Number(number) => {
                w.uint(*number);
                Ok(())
            }
            SyscallArg::Text(text) => w.bytes("args", text, MAX_SYSCALL_TEXT_BYTES),
        })?;
        w.key("result").int_or_null(self.result);
        w.key("began").uint(self.began_ns);
        w.key("took").uint(self.took_ns);
        Ok(())
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        let (mut tid, mut nr, mut args, mut result) = (None, None, None, None);
        let (mut began, mut took) = (None, None);
        r.map(|key, r| match key {
            "tid" => r.once(&mut tid, "tid", |r, _| r.uint()),
            "nr" => r.once(&mut nr, "nr", |r, _| r.uint()),
            "args" => r.once(&mut args, "args", |r, f| r.list(f, MAX_SYSCALL_ARGUMENTS, SyscallArg::read)),
            "result" => r.once(&mut result, "result", Reader::int_or_null),
            "began" => r.once(&mut began, "began", |r, _| r.uint()),
            "took" => r.once(&mut took, "took", |r, _| r.uint()),
            _ => Ok(false),
        })?;
        Ok(Self {
            tid: r.need(tid, "tid")?,
            nr: r.need(nr, "nr")?,
            args: r.need(args, "args")?,
            result: r.need(result, "result")?,
            began_ns: r.need(began, "began")?,
            took_ns: r.need(took, "took")?,
        })
    }
}

impl<'a> SyscallArg<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        if r.is_bytes_next() {
            return r.bytes("args", MAX_SYSCALL_TEXT_BYTES).map(Self::Text);
        }
        r.uint().map(Self::Number)
    }
}
