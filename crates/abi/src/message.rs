//! What each frame kind carries, as types, with one encoder and one decoder each.
//!
//! Guarantees: a decoded message has every key it needs, no other, and nothing above its limit; texts and values
//! borrow from the frame. Encoders refuse what the decoder of the other side would refuse. It must never decide
//! whether a request is allowed.
//!
//! Before: `frame` splits the header off. After: the host's dispatch, the guest's kernel.

use crate::error::WireError;
use crate::fields::Reader;
use crate::limits::MAX_MESSAGE_TEXT_BYTES;

mod calls;
mod files;
mod guest;
mod host;
mod http;
mod syscall;

pub use calls::ToolWait;
pub use files::{FileEntry, FilePath, FileReply, FileRequest, FileStat, OpenFlags};
pub use guest::{Exited, GuestFrame, OutputStream, RunDone, RunError, ToolCall};
pub use host::{HostFrame, KernelRequest, RunRequest, ToolError, ToolReply};
pub use http::{HttpBody, HttpError, HttpHead, HttpHeader, HttpPart, HttpRead, HttpSend};
pub use syscall::{Syscall, SyscallArg};

/// Limit of every text that has none of its own.
const TEXT: usize = MAX_MESSAGE_TEXT_BYTES;

/// Reads a body without keys.
fn read_empty(r: &mut Reader<'_>) -> Result<(), WireError> {
    r.map(|_, _| Ok(false))
}

/// Reads a map of two texts.
fn read_two_texts<'a>(
    r: &mut Reader<'a>,
    first: &'static str,
    second: &'static str,
) -> Result<(&'a str, &'a str), WireError> {
    let (mut one, mut two) = (None, None);
    r.map(|key, r| {
        if key == first {
            r.once(&mut one, first, |r, f| r.text(f, TEXT))
        } else if key == second {
            r.once(&mut two, second, |r, f| r.text(f, TEXT))
        } else {
            Ok(false)
        }
    })?;
    Ok((r.need(one, first)?, r.need(two, second)?))
}

/// Joins two keys of which a message has exactly one.
fn either<T, E>(
    r: &Reader<'_>,
    good: Option<T>,
    bad: Option<E>,
    fields: [&'static str; 2],
) -> Result<Result<T, E>, WireError> {
    let [good_field, bad_field] = fields;
    match (good, bad) {
        (Some(good), None) => Ok(Ok(good)),
        (None, Some(bad)) => Ok(Err(bad)),
        (Some(_), Some(_)) => Err(WireError::ConflictingField { message: r.kind, field: bad_field }),
        (None, None) => Err(WireError::MissingField { message: r.kind, field: good_field }),
    }
}
