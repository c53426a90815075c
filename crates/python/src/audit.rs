//! Audit events as dicts for the package's log, which makes `AuditEvent` objects of them for the caller's hook.
//!
//! Guarantees: a hook that raises is reported as Python reports exceptions it cannot raise, and the run goes on; the time
//! of an event is that of the decision, before any wait for the interpreter lock.
//! Never: holds a lock that the hook's thread may want.
//!
//! Before: the host's audit log. After: the hook.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use hypercell_host::abi::message::OutputStream;
use hypercell_host::audit::{AuditEvent, AuditLog, ToolAnswer, ToolDenial};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The caller's hook, which the garbage collector may take away.
#[derive(Clone, Default)]
pub(crate) struct Hook(Arc<Mutex<Option<Py<PyAny>>>>);

impl Hook {
    pub(crate) fn new(hook: Option<Py<PyAny>>) -> Self {
        Self(Arc::new(Mutex::new(hook)))
    }

    /// Returns the log that calls this hook.
    pub(crate) fn log(&self, py: Python<'_>) -> AuditLog {
        if self.get(py).is_none() {
            return AuditLog::default();
        }
        let hook = self.clone();
        AuditLog::new(move |event| {
            let time = SystemTime::now();
            Python::attach(|py| hook.call(py, event, time));
        })
    }

    /// Forgets the hook.
    pub(crate) fn clear(&self) {
        let forgotten = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(forgotten);
    }

    /// Shows the hook to the garbage collector, unless it is in use.
    pub(crate) fn visit(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        match self.0.try_lock() {
            Ok(hook) => hook.as_ref().map_or(Ok(()), |hook| visit.call(hook)),
            Err(_) => Ok(()),
        }
    }

    /// Returns the hook, if there is one.
    pub(crate) fn get(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let hook = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hook.as_ref().map(|hook| hook.clone_ref(py))
    }

    fn call(&self, py: Python<'_>, event: &AuditEvent<'_>, time: SystemTime) {
        let Some(hook) = self.get(py) else { return };
        // A clock before 1970 is wrong anyway.
        let time_s = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let called = to_dict(py, event).and_then(|dict| hook.call1(py, (time_s, dict)));
        if let Err(raised) = called {
            raised.write_unraisable(py, Some(hook.bind(py)));
        }
    }
}

fn to_dict<'py>(py: Python<'py>, event: &AuditEvent<'_>) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    match *event {
        AuditEvent::RunStarted { run, name, code_bytes } => {
            start(&dict, "run_started", run)?;
            dict.set_item("name", name)?;
            dict.set_item("code_bytes", code_bytes)?;
        }
        AuditEvent::ToolAllowed { run, call, name, argument_bytes, arguments_digest } => {
            start(&dict, "tool_allowed", run)?;
            dict.set_item("call", call)?;
            dict.set_item("name", name)?;
            dict.set_item("argument_bytes", argument_bytes)?;
            dict.set_item("arguments_digest", arguments_digest.to_string())?;
        }
        AuditEvent::ToolDenied { run, name, argument_bytes, arguments_digest, reason } => {
            start(&dict, "tool_denied", run)?;
            dict.set_item("name", name)?;
            dict.set_item("argument_bytes", argument_bytes)?;
            dict.set_item("arguments_digest", arguments_digest.to_string())?;
            dict.set_item("reason", denial(reason))?;
        }
        AuditEvent::ToolAnswered { run, call, answer, answer_bytes } => {
            start(&dict, "tool_answered", run)?;
            dict.set_item("call", call)?;
            dict.set_item("ok", answer == ToolAnswer::Value)?;
            dict.set_item("answer_bytes", answer_bytes)?;
        }
        AuditEvent::OutputAllowed { run, stream, len_bytes } => {
            start(&dict, "output_allowed", run)?;
            dict.set_item("stream", if stream == OutputStream::Stdout { "stdout" } else { "stderr" })?;
            dict.set_item("len_bytes", len_bytes)?;
        }
        AuditEvent::RunPaused { run, call, name } => {
            start(&dict, "run_paused", run)?;
            dict.set_item("call", call)?;
            dict.set_item("name", name)?;
        }
        AuditEvent::RunResumed { run, call } => {
            start(&dict, "run_resumed", run)?;
            dict.set_item("call", call)?;
        }
        AuditEvent::HttpAllowed { run, request, method, url, rule } => {
            start(&dict, "http_allowed", run)?;
            dict.set_item("request", request)?;
            dict.set_item("method", method)?;
            dict.set_item("url", url)?;
            dict.set_item("rule", rule)?;
        }
        AuditEvent::HttpDenied { run, request, method, url, reason } => {
            start(&dict, "http_denied", run)?;
            dict.set_item("request", request)?;
            dict.set_item("method", method)?;
            dict.set_item("url", url)?;
            dict.set_item("reason", reason)?;
        }
        AuditEvent::HttpRewritten { run, request, method, url, len_bytes, digest } => {
            start(&dict, "http_rewritten", run)?;
            dict.set_item("request", request)?;
            dict.set_item("method", method)?;
            dict.set_item("url", url)?;
            dict.set_item("len_bytes", len_bytes)?;
            dict.set_item("request_digest", digest.to_string())?;
        }
        AuditEvent::HttpAnswered { run, request, status } => {
            start(&dict, "http_answered", run)?;
            dict.set_item("request", request)?;
            dict.set_item("status", status)?;
        }
        AuditEvent::HttpFailed { run, request, kind, reason } => {
            start(&dict, "http_failed", run)?;
            dict.set_item("request", request)?;
            dict.set_item("kind", kind)?;
            dict.set_item("reason", reason)?;
        }
        AuditEvent::FileAllowed { run, operation, mount, path } => {
            start(&dict, "file_allowed", run)?;
            dict.set_item("operation", operation)?;
            dict.set_item("mount", mount.as_os_str())?;
            dict.set_item("path", OsStr::from_bytes(path))?;
        }
        AuditEvent::FileDenied { run, operation, mount, path, reason } => {
            start(&dict, "file_denied", run)?;
            dict.set_item("operation", operation)?;
            dict.set_item("mount", mount.map(Path::as_os_str))?;
            dict.set_item("path", OsStr::from_bytes(path))?;
            dict.set_item("reason", reason)?;
        }
        AuditEvent::FileRewritten { run, operation, mount, path } => {
            start(&dict, "file_rewritten", run)?;
            dict.set_item("operation", operation)?;
            dict.set_item("mount", mount.as_os_str())?;
            dict.set_item("path", OsStr::from_bytes(path))?;
        }
        AuditEvent::ArtifactAllowed { run, path } => {
            start(&dict, "artifact_allowed", run)?;
            dict.set_item("path", OsStr::from_bytes(path))?;
        }
        AuditEvent::LimitReached { run, error } => {
            start(&dict, "limit_reached", run)?;
            let (used, maximum) = error.amounts();
            dict.set_item("limit", error.limit.name())?;
            dict.set_item("used", used)?;
            dict.set_item("maximum", maximum)?;
            dict.set_item("unit", error.limit.unit())?;
        }
        AuditEvent::RunEnded { run, ending } => {
            start(&dict, "run_ended", run)?;
            dict.set_item("ending", ending.name())?;
        }
        // A kind that this binding does not know yet still shows that something happened.
        _ => start(&dict, "unknown", 0)?,
    }
    Ok(dict)
}

fn start(dict: &Bound<'_, PyDict>, event: &str, run: u64) -> PyResult<()> {
    dict.set_item("event", event)?;
    dict.set_item("run", run)
}

fn denial(reason: ToolDenial) -> &'static str {
    match reason {
        ToolDenial::UnknownTool => "unknown_tool",
        ToolDenial::ArgumentsTooLong => "arguments_too_long",
        ToolDenial::ArgumentsTooDeep => "arguments_too_deep",
        _ => "other",
    }
}
