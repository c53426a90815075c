//! `Sandbox`, and the two things that a step of a run gives: `ToolCall` and `Done`.
//!
//! Guarantees: any thread may use a sandbox, one at a time; a second one gets `SandboxBusyError`. `interrupt`, `partial`
//! and `close` work while another thread is in `start` or `resume`, and never wait for it. The interpreter lock is free
//! while the guest runs.
//!
//! Before: `python/hypercell/_sandbox.py`. After: `hypercell_host::Sandbox`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use hypercell_host::abi::{NamedValues, RawValue};
use hypercell_host::error::{ProtocolError, UsageError};
use hypercell_host::{
    Control, Error, Limits, MountInfo, Origin, Report, RunSpec, SandboxOptions, StateMode, Step, ToolCaller,
    ToolInfo, ToolReply,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::audit::Hook;
use crate::caller::{Caller, Raised};
use crate::error;
use crate::network::{self, Domain};
use crate::pool::Pool;
use crate::snapshot::{self, Base, Snapshot};
use crate::trace;
use crate::value;

/// Runs code in micro-VMs made from an image or a snapshot, one run at a time.
#[pyclass(frozen, module = "hypercell._native")]
pub(crate) struct Sandbox {
    inner: Mutex<hypercell_host::Sandbox>,
    control: Control,
    is_closing: AtomicBool,
    hook: Hook,
    trace_hook: Hook,
    raised: Raised,
}

/// A call of a tool by the guest: run it, then answer with `resume_ok` or `resume_err`.
#[pyclass(frozen, get_all, module = "hypercell._native")]
pub(crate) struct ToolCall {
    /// Number of the call.
    pub(crate) id: u64,
    /// One of the sandbox's tools.
    pub(crate) name: String,
    /// Keyword arguments.
    pub(crate) args: Py<PyAny>,
    /// Line of the submitted code that makes the call, if the guest says.
    pub(crate) line: Option<u64>,
}

/// The end of a run, or what there was of it.
#[pyclass(frozen, get_all, module = "hypercell._native")]
pub(crate) struct Done {
    /// The result; None if the code raised.
    value: Py<PyAny>,
    /// Type, message, traceback and line of the exception that ended the code.
    error: Option<(String, String, String, Option<u64>)>,
    /// Status given to sys.exit or os._exit.
    exit_code: Option<i64>,
    /// Standard output.
    stdout: String,
    /// Standard error.
    stderr: String,
    /// Path, size and contents of each file of /output; no contents where a directory has them.
    files: Py<PyList>,
    /// What the run used.
    usage: Py<PyDict>,
    /// System calls that the guest kernel does not have, and how often they were tried.
    unsupported_syscalls: Py<PyDict>,
}

#[pymethods]
impl Sandbox {
    #[new]
    #[pyo3(signature = (
        base, *, pool=None, tools, keep_state, wall_time_s, guest_time_s, memory_bytes, output_bytes, tool_calls, tool_argument_bytes,
        tool_result_bytes, result_bytes, code_bytes, value_depth, domains=Vec::new(), http_requests, http_request_bytes,
        http_response_bytes, http_time_s, file_read_bytes, file_write_bytes, open_files, file_count,
        output_file_bytes, output_total_bytes, output_file_count, mounts, output_dir=None, audit=None, trace=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of its own in Python")]
    fn new(
        py: Python<'_>,
        base: Base<'_>,
        pool: Option<&Pool>,
        tools: Vec<(String, String, String, bool)>,
        keep_state: bool,
        wall_time_s: Option<f64>,
        guest_time_s: Option<f64>,
        memory_bytes: u64,
        output_bytes: u64,
        tool_calls: u64,
        tool_argument_bytes: u64,
        tool_result_bytes: u64,
        result_bytes: u64,
        code_bytes: u64,
        value_depth: u64,
        domains: Vec<Domain>,
        http_requests: u64,
        http_request_bytes: u64,
        http_response_bytes: u64,
        http_time_s: f64,
        file_read_bytes: u64,
        file_write_bytes: u64,
        open_files: u64,
        file_count: u64,
        output_file_bytes: u64,
        output_total_bytes: u64,
        output_file_count: u64,
        mounts: Vec<(PathBuf, PathBuf, bool, Option<u64>)>,
        output_dir: Option<PathBuf>,
        audit: Option<Py<PyAny>>,
        trace: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let (hook, trace_hook) = (Hook::new(audit), Hook::new(trace));
        let options = SandboxOptions {
            tools: tools
                .into_iter()
                .map(|(name, doc, schema, pauses)| ToolInfo { name, doc, schema, pauses })
                .collect(),
            http: network::policy(py, domains)?,
            state: if keep_state { StateMode::Kept } else { StateMode::Fresh },
            limits: Limits {
                wall_time: wall_time_s.map(|time_s| seconds(py, "wall_time_s", time_s)).transpose()?,
                guest_time: guest_time_s.map(|time_s| seconds(py, "guest_time_s", time_s)).transpose()?,
                memory_bytes,
                output_bytes,
                tool_calls,
                tool_argument_bytes,
                tool_result_bytes,
                result_bytes,
                code_bytes,
                value_depth,
                http_requests,
                http_request_bytes,
                http_response_bytes,
                http_time: seconds(py, "http_time_s", http_time_s)?,
                file_read_bytes,
                file_write_bytes,
                open_files,
                file_count,
                output_file_bytes,
                output_total_bytes,
                output_file_count,
            },
            mounts: mounts
                .into_iter()
                .map(|(host, guest, is_writable, max_bytes)| MountInfo {
                    host,
                    guest,
                    is_writable,
                    max_bytes,
                })
                .collect(),
            output_dir,
            audit: hook.log(py),
            trace: trace::trace(&trace_hook, py),
        };
        let (origin, pool) = (base.origin(), pool.map(Pool::share));
        let made = py.detach(|| {
            let sandbox = match (origin, pool) {
                (Origin::Snapshot(snapshot), Some(pool)) => {
                    hypercell_host::Sandbox::from_snapshot_in_pool(&snapshot, pool, options)?
                }
                (Origin::Snapshot(snapshot), None) => {
                    hypercell_host::Sandbox::from_snapshot(snapshot, options)?
                }
                (_, Some(pool)) => hypercell_host::Sandbox::in_pool(pool, options)?,
                (origin, None) => hypercell_host::Sandbox::new(origin, options)?,
            };
            hypercell_host::ensure_available()?;
            Ok(sandbox)
        });
        let sandbox = made.map_err(|failed: Error| error::raise(py, failed))?;
        let control = sandbox.control();
        let is_closing = AtomicBool::new(false);
        Ok(Self {
            inner: Mutex::new(sandbox),
            control,
            is_closing,
            hook,
            trace_hook,
            raised: Raised::default(),
        })
    }

    /// Runs code until it is done, pauses, or calls a tool that `drive` does not run: see `Caller`.
    #[pyo3(signature = (code, name, inputs, drive=None))]
    fn start<'py>(
        &self,
        py: Python<'py>,
        code: &Bound<'py, PyString>,
        name: &Bound<'py, PyString>,
        inputs: &Bound<'py, PyDict>,
        drive: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (code, name) = (text_of(code, "code")?, text_of(name, "name")?);
        let inputs = value::encode_named(inputs, "inputs")?;
        let inputs = named(py, &inputs)?;
        let spec = RunSpec { code, name, inputs };
        let caller = self.caller(drive)?;
        let step = self.with(py, |sandbox| sandbox.start_with(&spec, caller))?;
        self.show(py, step)
    }

    /// Answers a tool call with a value. Raises `ValueNotSendableError` before it touches the VM; the call then still
    /// waits for `resume_err`.
    #[pyo3(signature = (call_id, value, drive=None))]
    fn resume_ok<'py>(
        &self,
        py: Python<'py>,
        call_id: u64,
        value: &Bound<'py, PyAny>,
        drive: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let encoded = value::encode(value, "result")?;
        let checked = RawValue::new(&encoded).map_err(|source| not_encodable(py, source))?;
        let caller = self.caller(drive)?;
        let step =
            self.with(py, |sandbox| sandbox.resume_with(call_id, ToolReply::Value(checked), caller))?;
        self.show(py, step)
    }

    /// Answers a tool call with an exception.
    #[pyo3(signature = (call_id, type_name, message, drive=None))]
    fn resume_err<'py>(
        &self,
        py: Python<'py>,
        call_id: u64,
        type_name: &Bound<'py, PyString>,
        message: &Bound<'py, PyString>,
        drive: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // A text with lone surrogates still tells more than none.
        let (type_name, message) = (type_name.to_string_lossy(), message.to_string_lossy());
        let reply = ToolReply::Error { type_name: &type_name, message: &message };
        let caller = self.caller(drive)?;
        let step = self.with(py, |sandbox| sandbox.resume_with(call_id, reply, caller))?;
        self.show(py, step)
    }

    /// The call that the run waits for, if there is one.
    fn pending(&self, py: Python<'_>) -> PyResult<Option<ToolCall>> {
        let pending = self.with(py, |sandbox| Ok(sandbox.pending().cloned()))?;
        pending.map(|call| snapshot::shown(py, &call)).transpose()
    }

    /// Takes a snapshot of what is kept, or of the run that waits.
    fn snapshot(&self, py: Python<'_>) -> PyResult<Snapshot> {
        self.with(py, hypercell_host::Sandbox::snapshot).map(Snapshot::new)
    }

    /// Seconds that the run that is going on may still take, or None.
    fn time_left_s(&self) -> Option<f64> {
        self.control.time_left().map(|time| time.as_secs_f64())
    }

    /// Stops the run that is going on, from any thread. Returns whether there is one.
    #[pyo3(signature = (reason="cancelled"))]
    fn interrupt(&self, py: Python<'_>, reason: &str) -> bool {
        py.detach(|| self.control.interrupt(reason))
    }

    /// Drops kept state.
    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, hypercell_host::Sandbox::reset)
    }

    /// Stops the run that is going on, and drops the VM.
    fn close(&self, py: Python<'_>) {
        self.is_closing.store(true, Ordering::SeqCst);
        py.detach(|| {
            self.control.interrupt("the sandbox was closed");
            self.close_if_free();
        });
    }

    /// What the run that is going on, or else the last one, wrote and used until now.
    fn partial(&self, py: Python<'_>) -> PyResult<Option<Done>> {
        match py.detach(|| self.control.partial()) {
            Some(report) => Ok(Some(Done::new(py, py.None(), None, None, report)?)),
            None => Ok(None),
        }
    }

    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        self.hook.visit(&visit)?;
        self.trace_hook.visit(&visit)
    }

    fn __clear__(&self) {
        self.hook.clear();
        self.trace_hook.clear();
    }
}

impl Sandbox {
    /// Uses the sandbox without the interpreter lock.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        action: impl FnOnce(&mut hypercell_host::Sandbox) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        if self.is_closing.load(Ordering::SeqCst) {
            return Err(error::raise(py, UsageError::Closed.into()));
        }
        let outcome = py.detach(|| {
            let outcome = self.try_lock().map(|mut sandbox| action(&mut sandbox));
            // Whoever closed meanwhile left it to this thread.
            self.close_if_free();
            outcome
        });
        match outcome {
            None => Err(error::busy(py)),
            Some(Ok(done)) => Ok(done),
            Some(Err(failed)) => Err(self.raised.take().unwrap_or_else(|| error::raise(py, failed))),
        }
    }

    fn caller(&self, drive: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Arc<dyn ToolCaller>>> {
        let caller = drive.map(|drive| Caller::new(drive, self.raised.clone())).transpose()?;
        Ok(caller.map(|caller| -> Arc<dyn ToolCaller> { Arc::new(caller) }))
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, hypercell_host::Sandbox>> {
        match self.inner.try_lock() {
            Ok(sandbox) => Some(sandbox),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Closes, if somebody asked for it and no other thread is in the sandbox; that one does it when it leaves.
    fn close_if_free(&self) {
        if self.is_closing.load(Ordering::SeqCst)
            && let Some(mut sandbox) = self.try_lock()
        {
            sandbox.close();
        }
    }

    /// Makes Python objects of a step. What cannot be made into one ends the run.
    fn show<'py>(&self, py: Python<'py>, step: Step) -> PyResult<Bound<'py, PyAny>> {
        match step {
            Step::ToolCall(call) => {
                let args = self.decode(py, call.args.as_bytes(), "arguments")?;
                let call = ToolCall { id: call.id, name: call.name, args: args.unbind(), line: call.line };
                Ok(Bound::new(py, call)?.into_any())
            }
            Step::Done(done) => {
                let hypercell_host::Done { outcome, exit_code, report } = *done;
                let (value, error) = match outcome {
                    Ok(value) => (self.decode(py, value.as_bytes(), "a result")?.unbind(), None),
                    Err(error) => {
                        let error = (error.type_name, error.message, error.traceback, error.line);
                        (py.None(), Some(error))
                    }
                };
                Ok(Bound::new(py, Done::new(py, value, error, exit_code, report)?)?.into_any())
            }
        }
    }

    fn decode<'py>(&self, py: Python<'py>, bytes: &[u8], what: &'static str) -> PyResult<Bound<'py, PyAny>> {
        value::decode(py, bytes, what).inspect_err(|raised| {
            let reason = Error::Protocol(ProtocolError::Value { what, detail: raised.to_string() });
            py.detach(|| {
                if let Some(mut sandbox) = self.try_lock() {
                    sandbox.abandon(&reason);
                }
            });
        })
    }
}

impl Done {
    fn new(
        py: Python<'_>,
        value: Py<PyAny>,
        error: Option<(String, String, String, Option<u64>)>,
        exit_code: Option<i64>,
        report: Report,
    ) -> PyResult<Self> {
        let used = report.usage;
        let usage = PyDict::new(py);
        usage.set_item("wall_time_s", used.wall_time.as_secs_f64())?;
        usage.set_item("guest_time_s", used.guest_time.as_secs_f64())?;
        usage.set_item("turns", used.turns)?;
        usage.set_item("tool_calls", used.tool_calls)?;
        usage.set_item("http_requests", used.http_requests)?;
        usage.set_item("http_request_bytes", used.http_request_bytes)?;
        usage.set_item("http_response_bytes", used.http_response_bytes)?;
        usage.set_item("http_time_s", used.http_time.as_secs_f64())?;
        usage.set_item("output_bytes", used.output_bytes)?;
        usage.set_item("memory_peak_bytes", used.memory_peak_bytes)?;
        usage.set_item("page_faults", used.page_faults)?;
        usage.set_item("syscalls", used.syscalls)?;
        usage.set_item("code_bytes", used.values.code_bytes)?;
        usage.set_item("tool_argument_bytes", used.values.argument_bytes)?;
        usage.set_item("tool_result_bytes", used.values.tool_result_bytes)?;
        usage.set_item("result_bytes", used.values.result_bytes)?;
        usage.set_item("value_depth", used.values.depth)?;
        usage.set_item("file_read_bytes", used.files.read_bytes)?;
        usage.set_item("file_write_bytes", used.files.write_bytes)?;
        usage.set_item("open_files", used.files.open)?;
        usage.set_item("file_count", used.files.count)?;
        usage.set_item("output_file_bytes", used.output_files.largest_bytes)?;
        usage.set_item("output_total_bytes", used.output_files.total_bytes)?;
        usage.set_item("output_file_count", used.output_files.count)?;
        let files = PyList::empty(py);
        for file in report.files {
            let data = file.data.as_ref().map(|data| PyBytes::new(py, data));
            files.append((PyBytes::new(py, &file.path), file.size, data))?;
        }
        let files = files.unbind();
        let unsupported = PyDict::new(py);
        for (name, count) in report.unsupported_syscalls {
            unsupported.set_item(name, count)?;
        }
        let (stdout, stderr) = (report.stdout, report.stderr);
        let (usage, unsupported_syscalls) = (usage.unbind(), unsupported.unbind());
        Ok(Self { value, error, exit_code, stdout, stderr, files, usage, unsupported_syscalls })
    }
}

fn seconds(py: Python<'_>, limit: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value).map_err(|_| {
        let max = hypercell_host::MAX_WALL_TIME.as_secs();
        error::policy(py, &format!("{limit} is {value}, which is not above 0 and up to {max}"))
    })
}

fn text_of<'a>(text: &'a Bound<'_, PyString>, what: &str) -> PyResult<&'a str> {
    text.to_str().map_err(|_| error::policy(text.py(), &format!("the {what} has lone surrogates")))
}

fn named<'a>(py: Python<'_>, encoded: &'a [u8]) -> PyResult<NamedValues<'a>> {
    NamedValues::new(encoded).map_err(|source| not_encodable(py, source))
}

fn not_encodable(py: Python<'_>, source: hypercell_host::abi::WireError) -> PyErr {
    error::not_sendable(py, &source.to_string())
}
