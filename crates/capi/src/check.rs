//! What the C functions ask of the decoders and gates, in safe Rust.
//!
//! Guarantees: each check is the code that runs against a guest, called in the same order; any bytes may be given. Never
//! starts a VM, opens a file or resolves a name.
//!
//! Before: the crate root, with slices. After: `hypercell-abi`, and the gates of `hypercell-host`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::str::Utf8Error;

use hypercell_abi::archive::{Archive, ArchiveError};
use hypercell_abi::frame::{EnterHeader, ExitHeader, Route};
use hypercell_abi::{FrameHeader, GuestFrame, HostFrame, KernelRequest, NamedValues, RawValue, WireError};
use hypercell_host::error::UsageError;
use hypercell_host::{HttpRule, HttpRuleOptions, check_mount_path};

/// Why bytes were refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A decoder of the wire refused.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// The reader of archives refused.
    #[error("{0}")]
    Archive(#[from] ArchiveError),
    /// A path or a rule cannot be part of a policy.
    #[error("{0}")]
    Policy(#[from] UsageError),
    /// A text is not UTF-8.
    #[error("{0}")]
    Text(#[from] Utf8Error),
    /// A rule does not allow the request, or the request can be allowed by none.
    #[error("{0}")]
    Request(String),
}

/// Nothing, or why bytes were refused.
pub type Verdict = Result<(), Refusal>;

/// Checks that `bytes` are exactly one value.
///
/// # Errors
///
/// [`Refusal::Wire`].
pub fn value(bytes: &[u8]) -> Verdict {
    RawValue::new(bytes)?;
    Ok(())
}

/// Checks that `bytes` are exactly one map with text keys: inputs of a run or arguments of a call.
///
/// # Errors
///
/// [`Refusal::Wire`].
pub fn named_values(bytes: &[u8]) -> Verdict {
    NamedValues::new(bytes)?;
    Ok(())
}

/// Checks that `bytes` are exactly one frame that a guest may send.
///
/// # Errors
///
/// [`Refusal::Wire`].
pub fn guest_frame(bytes: &[u8]) -> Verdict {
    let (header, body) = FrameHeader::split(bytes)?;
    GuestFrame::decode(header.kind, body)?;
    Ok(())
}

/// Checks that `bytes` are exactly one frame that the host may send, to the program or to the kernel.
///
/// # Errors
///
/// [`Refusal::Wire`].
pub fn host_frame(bytes: &[u8]) -> Verdict {
    let (header, body) = FrameHeader::split(bytes)?;
    if header.kind.route() == Route::HostToKernel {
        KernelRequest::decode(header.kind, body)?;
    } else {
        HostFrame::decode(header.kind, body)?;
    }
    Ok(())
}

/// Checks that `bytes` are exactly one turn of a guest that answers the host frame numbered `seq`.
///
/// # Errors
///
/// [`Refusal::Wire`].
pub fn exit_turn(bytes: &[u8], seq: u32) -> Verdict {
    let (_, frame) = ExitHeader::split(bytes)?;
    let (header, body) = FrameHeader::split(frame)?;
    header.expect_seq(seq)?;
    GuestFrame::decode(header.kind, body)?;
    Ok(())
}

/// Checks that `bytes` are exactly one turn of the host.
///
/// # Errors
///
/// [`Refusal::Wire`].
pub fn enter_turn(bytes: &[u8]) -> Verdict {
    let (_, frame) = EnterHeader::split(bytes)?;
    host_frame(frame)
}

/// Checks that `bytes` are an image archive in which every read succeeds.
///
/// # Errors
///
/// [`Refusal::Archive`].
pub fn archive(bytes: &[u8]) -> Verdict {
    Archive::parse(bytes)?.check()?;
    Ok(())
}

/// Checks that a directory of the host can be mounted at this path of the guest.
///
/// # Errors
///
/// [`Refusal::Policy`].
pub fn mount_path(path: &[u8]) -> Verdict {
    check_mount_path(Path::new(OsStr::from_bytes(path)))?;
    Ok(())
}

/// Checks that a rule for HTTP, with all methods, allows a request. All three are UTF-8.
///
/// # Errors
///
/// [`Refusal::Text`], [`Refusal::Policy`] for a pattern that is no rule, [`Refusal::Request`].
pub fn url_rule(pattern: &[u8], method: &[u8], url: &[u8]) -> Verdict {
    let rule = HttpRule::new(std::str::from_utf8(pattern)?, HttpRuleOptions::default())?;
    let (method, url) = (std::str::from_utf8(method)?, std::str::from_utf8(url)?);
    rule.check_request(method, url).map_err(Refusal::Request)
}
