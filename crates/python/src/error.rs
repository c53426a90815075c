//! Host errors as the exceptions of `python/hypercell/_errors.py`. Nothing else here makes exceptions.
//!
//! Guarantees: `class_of` is one exhaustive `match` over who is at fault. Amounts and reports are attributes of the
//! exception, not only text. Never: adds a meaning that the host's error has not.
//!
//! Before: `sandbox`, `image` and `value`. After: the classes.

use hypercell_host::Error;
use hypercell_host::error::{LimitError, LimitKind, MachineError, SnapshotError, UsageError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

const MODULE: &str = "hypercell._errors";

/// Makes the exception for a host error.
pub(crate) fn raise(py: Python<'_>, error: Error) -> PyErr {
    let message = error.to_string();
    let made =
        attributes(py, &error).and_then(|attributes| make(py, class_of(&error), &message, &attributes));
    made.unwrap_or_else(|broken| broken)
}

/// Makes a `PolicyError`: the caller's own arguments cannot be.
pub(crate) fn policy(py: Python<'_>, message: &str) -> PyErr {
    plain(py, "PolicyError", message)
}

/// Makes a `ValueNotSendableError`.
pub(crate) fn not_sendable(py: Python<'_>, message: &str) -> PyErr {
    plain(py, "ValueNotSendableError", message)
}

/// Whether an exception is a `ValueNotSendableError`.
pub(crate) fn is_not_sendable(py: Python<'_>, raised: &PyErr) -> bool {
    let class = py.import(MODULE).and_then(|module| module.getattr("ValueNotSendableError"));
    class.is_ok_and(|class| raised.is_instance(py, &class))
}

/// Makes a `SandboxBusyError`.
pub(crate) fn busy(py: Python<'_>) -> PyErr {
    plain(py, "SandboxBusyError", "another thread uses this sandbox")
}

fn plain(py: Python<'_>, class: &str, message: &str) -> PyErr {
    make(py, class, message, &PyDict::new(py)).unwrap_or_else(|broken| broken)
}

/// Calls a class with its message and keyword arguments.
fn make(py: Python<'_>, class: &str, message: &str, attributes: &Bound<'_, PyDict>) -> PyResult<PyErr> {
    let class = py.import(MODULE)?.getattr(class)?;
    Ok(PyErr::from_value(class.call((message,), Some(attributes))?))
}

fn class_of(error: &Error) -> &'static str {
    match error {
        Error::Usage(error) => class_of_usage(error),
        Error::Machine(MachineError::OutputDir { .. }) => "OutputDirError",
        Error::Machine(_) => "SandboxUnavailableError",
        Error::Snapshot(error) => class_of_snapshot(error),
        Error::Image(_) => "ImageError",
        Error::Limit(error) => class_of_limit(error.limit),
        Error::Crash(_) => "GuestCrashError",
        Error::Protocol(_) => "ProtocolError",
        Error::Cancelled { .. } => "RunCancelledError",
    }
}

fn class_of_usage(error: &UsageError) -> &'static str {
    match error {
        UsageError::Closed | UsageError::PoolClosed => "SandboxClosedError",
        UsageError::RunPending { .. } => "SandboxBusyError",
        // Its run has ended, and whoever ran the tool comes too late.
        UsageError::NoSuchCall { .. } => "RunCancelledError",
        UsageError::ReplyTooLong { .. }
        | UsageError::ReplyTooDeep { .. }
        | UsageError::InputsTooDeep { .. } => "ValueNotSendableError",
        // All others are settings, code or names that cannot be.
        _ => "PolicyError",
    }
}

fn class_of_snapshot(error: &SnapshotError) -> &'static str {
    match error {
        // What the caller gave does not go with the snapshot, or there is none to take.
        SnapshotError::NothingKept
        | SnapshotError::RunIsOver
        | SnapshotError::CannotPrepare
        | SnapshotError::ToolMissing { .. }
        | SnapshotError::ToolDiffers { .. }
        | SnapshotError::ToolAdded { .. }
        | SnapshotError::OtherLimit { .. }
        | SnapshotError::OtherDomains { .. }
        | SnapshotError::OtherMounts { .. }
        | SnapshotError::OtherMemory { .. }
        | SnapshotError::OtherStateMode { .. } => "PolicyError",
        _ => "SnapshotError",
    }
}

fn class_of_limit(limit: LimitKind) -> &'static str {
    match limit {
        LimitKind::WallTime | LimitKind::GuestTime => "TimeLimitError",
        LimitKind::Memory => "MemoryLimitError",
        LimitKind::Output => "OutputLimitError",
        LimitKind::ToolCalls => "ToolLimitError",
        LimitKind::HttpRequests | LimitKind::HttpRequestBytes | LimitKind::HttpResponseBytes => {
            "NetworkLimitError"
        }
        LimitKind::FileRead
        | LimitKind::FileWrite
        | LimitKind::OpenFiles
        | LimitKind::FileCount
        | LimitKind::OutputFile
        | LimitKind::OutputTotal
        | LimitKind::OutputFileCount => "FileLimitError",
        _ => "LimitError",
    }
}

/// Returns what the class takes besides the message.
fn attributes<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyDict>> {
    let attributes = PyDict::new(py);
    match error {
        Error::Limit(error) => {
            attributes.set_item("limit", error.limit.name())?;
            let (used, maximum) = amounts(py, error)?;
            attributes.set_item("used", used)?;
            attributes.set_item("maximum", maximum)?;
            attributes.set_item("unit", error.limit.unit())?;
        }
        Error::Crash(error) => attributes.set_item("report", error.report())?,
        Error::Usage(_)
        | Error::Machine(_)
        | Error::Snapshot(_)
        | Error::Image(_)
        | Error::Protocol(_)
        | Error::Cancelled { .. } => {}
    }
    Ok(attributes)
}

/// Returns seconds as float, everything else as int.
fn amounts<'py>(py: Python<'py>, error: &LimitError) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    if error.limit.unit() == "s" {
        let (used, maximum) = error.amounts();
        return Ok((used.into_pyobject(py)?.into_any(), maximum.into_pyobject(py)?.into_any()));
    }
    Ok((error.used.into_pyobject(py)?.into_any(), error.maximum.into_pyobject(py)?.into_any()))
}
