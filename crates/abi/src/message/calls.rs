//! Several tool calls at once: ToolWait from the program, ToolReplies from the host.
//!
//! Guarantees and limits as in [`super`]. It must never know which calls are in flight: ids that stand twice, or that
//! nobody knows, are for the host to refuse.
//!
//! Before: `guest` and `host`. After: `fields`.

use alloc::vec::Vec;

use super::guest::TOOL_CALL_KEYS;
use super::{ToolCall, ToolReply};
use crate::error::WireError;
use crate::fields::{Reader, Writer};
use crate::limits::MAX_CALLS_IN_FLIGHT;

/// New calls, and a wait for the result of any call in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolWait<'a> {
    /// Calls that start now, at most [`MAX_CALLS_IN_FLIGHT`].
    pub calls: Vec<ToolCall<'a>>,
    /// Ids of calls in flight whose results nobody wants any more; each still gets its reply.
    pub cancel: Vec<u64>,
    /// Longest wait, in nanoseconds.
    pub timeout_ns: Option<u64>,
}

impl<'a> ToolWait<'a> {
    pub(super) fn write(&self, w: &mut Writer) -> Result<(), WireError> {
        w.key("calls").list("calls", &self.calls, MAX_CALLS_IN_FLIGHT, |w, call| {
            w.map(TOOL_CALL_KEYS);
            call.write(w)
        })?;
        w.key("cancel").list("cancel", &self.cancel, MAX_CALLS_IN_FLIGHT, |w, id| {
            w.uint(*id);
            Ok(())
        })?;
        w.key("timeout").uint_or_null(self.timeout_ns);
        Ok(())
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        let (mut calls, mut cancel, mut timeout) = (None, None, None);
        r.map(|key, r| match key {
            "calls" => r.once(&mut calls, "calls", |r, f| r.list(f, MAX_CALLS_IN_FLIGHT, ToolCall::read)),
            "cancel" => r.once(&mut cancel, "cancel", |r, f| r.list(f, MAX_CALLS_IN_FLIGHT, Reader::uint)),
            "timeout" => r.once(&mut timeout, "timeout", |r, _| r.uint_or_null()),
            _ => Ok(false),
        })?;
        Ok(Self {
            calls: r.need(calls, "calls")?,
            cancel: r.need(cancel, "cancel")?,
            timeout_ns: r.need(timeout, "timeout")?,
        })
    }
}

pub(super) fn write_replies(replies: &[ToolReply<'_>]) -> Result<Writer, WireError> {
    let mut w = Writer::new(1);
    w.key("replies").list("replies", replies, MAX_CALLS_IN_FLIGHT, |w, reply| {
        w.map(2);
        reply.write(w)
    })?;
    Ok(w)
}

pub(super) fn read_replies<'a>(r: &mut Reader<'a>) -> Result<Vec<ToolReply<'a>>, WireError> {
    let mut replies = None;
    r.map(|key, r| match key {
        "replies" => r.once(&mut replies, "replies", |r, f| r.list(f, MAX_CALLS_IN_FLIGHT, ToolReply::read)),
        _ => Ok(false),
    })?;
    r.need(replies, "replies")
}
