//! System calls of a guest for the package's log, which makes `Syscall` objects of them for the caller's function.
//!
//! Guarantees: a function that raises is reported as Python reports exceptions it cannot raise, and the run goes on.
//! Never: decides anything.
//!
//! Before: the host's trace. After: `python/hypercell/_trace.py`.

use std::time::UNIX_EPOCH;

use hypercell_host::abi::message::SyscallArg;
use hypercell_host::trace::{MAX_TRACED_SYSCALLS, SyscallTrace, TraceEvent, TracedCall};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::audit::Hook;

/// Returns the trace that calls the methods of this hook.
pub(crate) fn trace(hook: &Hook, py: Python<'_>) -> SyscallTrace {
    if hook.get(py).is_none() {
        return SyscallTrace::default();
    }
    let hook = hook.clone();
    SyscallTrace::new(move |event| {
        Python::attach(|py| {
            let Some(hook) = hook.get(py) else { return };
            let hook = hook.bind(py);
            if let Err(raised) = tell(hook, event) {
                raised.write_unraisable(py, Some(hook));
            }
        });
    })
}

fn tell(hook: &Bound<'_, PyAny>, event: &TraceEvent<'_>) -> PyResult<()> {
    match event {
        TraceEvent::Call(call) => tell_call(hook, call),
        TraceEvent::LimitReached { .. } => {
            hook.call_method1("limit_reached", (MAX_TRACED_SYSCALLS,)).map(drop)
        }
    }
}

fn tell_call(hook: &Bound<'_, PyAny>, call: &TracedCall<'_>) -> PyResult<()> {
    let py = hook.py();
    let arguments: Vec<Bound<'_, PyAny>> = call
        .args
        .iter()
        .map(|arg| match arg {
            SyscallArg::Number(number) => Ok(number.into_pyobject(py)?.into_any()),
            SyscallArg::Text(text) => Ok(PyBytes::new(py, text).into_any()),
        })
        .collect::<PyResult<_>>()?;
    let arguments = PyTuple::new(py, arguments)?;
    let began_ns = call.began.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let name = call.name.as_str();
    let fields =
        (call.run, call.thread, call.number, name, arguments, call.result, began_ns, call.took.as_nanos());
    hook.call_method1("call", fields).map(drop)
}
