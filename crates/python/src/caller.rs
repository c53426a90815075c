//! `Caller`: runs the caller's tools and asks its hooks in the middle of a run, without a step for each.
//!
//! Guarantees: what the Python function raises ends the run, and is raised by `start` or `resume` as it was.
//!
//! Before: `hypercell_host`, in the middle of a run. After: the function that `start` was given.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Arc, Mutex, PoisonError};

use hypercell_host::abi::RawValue;
use hypercell_host::abi::message::OutputStream;
use hypercell_host::{FileAttempt, HttpAttempt, HttpChange, OwnedValue, ToolAnswer, ToolCaller, Verdict};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::error;
use crate::sandbox::ToolCall;
use crate::value;

/// Where a call leaves what it raised, for the thread that waits for the run.
#[derive(Clone, Default)]
pub(crate) struct Raised(Arc<Mutex<Option<PyErr>>>);

impl Raised {
    /// Returns what was raised since the last time.
    pub(crate) fn take(&self) -> Option<PyErr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, raised: PyErr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(raised);
    }
}

/// Calls the methods of a Python object, which are looked up once.
///
/// `answer` takes a tool call and returns `(value,)`, or `(type name, message)` of an exception for the guest, or None to
/// have the call returned as a step. `wait` takes calls that run beside each other, numbers of calls that nobody waits for
/// any more, and seconds or None; it returns numbers with answers. `output`, unless it is None, takes "stdout" or "stderr"
/// and bytes. `before_http` and `before_open`, unless they are None, take a request of HTTP (method, URL, headers, body,
/// hop) and the opening of a file (path, whether it reads, writes, creates, truncates); they return None to go on, a text
/// why not, or a tuple: method, URL, headers and body, or a path as bytes.
pub(crate) struct Caller {
    answer: Py<PyAny>,
    wait: Py<PyAny>,
    output: Option<Py<PyAny>>,
    before_http: Option<Py<PyAny>>,
    before_open: Option<Py<PyAny>>,
    raised: Raised,
}

impl Caller {
    pub(crate) fn new(drive: &Bound<'_, PyAny>, raised: Raised) -> PyResult<Self> {
        let py = drive.py();
        let given = |name| -> PyResult<Option<Py<PyAny>>> {
            let function = drive.getattr(name)?;
            Ok((!function.is_none()).then(|| function.unbind()))
        };
        Ok(Self {
            answer: drive.getattr(intern!(py, "answer"))?.unbind(),
            wait: drive.getattr(intern!(py, "wait"))?.unbind(),
            output: given(intern!(py, "output"))?,
            before_http: given(intern!(py, "before_http"))?,
            before_open: given(intern!(py, "before_open"))?,
            raised,
        })
    }

    fn answer(&self, py: Python<'_>, call: &hypercell_host::ToolCall) -> PyResult<ToolAnswer> {
        let answer = self.answer.bind(py).call1((shown(py, call)?,))?;
        if answer.is_none() { Ok(ToolAnswer::Later) } else { Self::answer_of(py, answer) }
    }

    fn answers(
        py: Python<'_>,
        function: &Py<PyAny>,
        wait: &hypercell_host::ToolWait,
    ) -> PyResult<Vec<(u64, ToolAnswer)>> {
        let calls = wait.calls.iter().map(|call| shown(py, call)).collect::<PyResult<Vec<_>>>()?;
        let timeout_s = wait.timeout.map(|timeout| timeout.as_secs_f64());
        let answers = function.bind(py).call1((calls, wait.cancelled.clone(), timeout_s))?;
        let mut taken = Vec::new();
        for answer in answers.try_iter()? {
            let (call, answer) = answer?.extract::<(u64, Bound<'_, PyAny>)>()?;
            taken.push((call, Self::answer_of(py, answer)?));
        }
        Ok(taken)
    }

    fn answer_of(py: Python<'_>, answer: Bound<'_, PyAny>) -> PyResult<ToolAnswer> {
        let answer = answer.cast_into::<PyTuple>()?;
        if answer.len() == 2 {
            let (type_name, message) = answer.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
            return Ok(ToolAnswer::Error { type_name: lossy(&type_name)?, message: lossy(&message)? });
        }
        let encoded = match value::encode(&answer.get_item(0)?, "result") {
            Ok(encoded) => encoded,
            Err(refused) if error::is_not_sendable(py, &refused) => {
                let message = refused.value(py).to_string();
                return Ok(ToolAnswer::Error { type_name: "ValueNotSendableError".to_owned(), message });
            }
            Err(raised) => return Err(raised),
        };
        let checked =
            RawValue::new(&encoded).map_err(|source| error::not_sendable(py, &source.to_string()))?;
        Ok(ToolAnswer::Value(OwnedValue::new(checked)))
    }
}

impl ToolCaller for Caller {
    fn output(&self, stream: OutputStream, data: &[u8]) -> Result<(), String> {
        let Some(function) = &self.output else { return Ok(()) };
        Python::attach(|py| {
            let name = if stream == OutputStream::Stdout { "stdout" } else { "stderr" };
            function.bind(py).call1((name, PyBytes::new(py, data))).map(drop).map_err(|raised| {
                self.raised.set(raised);
                "what hears of output ended it".to_owned()
            })
        })
    }

    fn call(&self, call: &hypercell_host::ToolCall) -> ToolAnswer {
        Python::attach(|py| self.answer(py, call).unwrap_or_else(|raised| self.stop(raised)))
    }

    fn wait(&self, wait: &hypercell_host::ToolWait) -> Option<Vec<(u64, ToolAnswer)>> {
        Some(Python::attach(|py| {
            // Which call stops the run does not matter.
            Self::answers(py, &self.wait, wait).unwrap_or_else(|raised| vec![(0, self.stop(raised))])
        }))
    }

    fn before_http(&self, attempt: &HttpAttempt<'_>) -> Verdict<HttpChange> {
        let Some(hook) = &self.before_http else { return Verdict::Allow };
        self.judge("before_http_request failed", |py| {
            let headers = PyList::empty(py);
            for (name, value) in attempt.headers() {
                headers.append((name, PyBytes::new(py, value)))?;
            }
            let body = PyBytes::new(py, attempt.body());
            let seen = (attempt.method(), attempt.url(), headers, body, attempt.hop());
            let said = hook.bind(py).call1(seen)?;
            verdict_of(&said, |changed| {
                let (method, url, headers, body) = changed.extract()?;
                Ok(HttpChange { method, url, headers, body })
            })
        })
    }

    fn before_open(&self, attempt: &FileAttempt<'_>) -> Verdict<Vec<u8>> {
        let Some(hook) = &self.before_open else { return Verdict::Allow };
        self.judge("before_file_open failed", |py| {
            let path = OsString::from_vec(attempt.path());
            let (reads, writes) = (attempt.reads(), attempt.writes());
            let seen = (path, reads, writes, attempt.creates(), attempt.truncates());
            let said = hook.bind(py).call1(seen)?;
            verdict_of(&said, |changed| changed.extract::<(Vec<u8>,)>().map(|(path,)| path))
        })
    }
}

impl Caller {
    /// Asks a hook; what it raises ends the run.
    fn judge<T>(&self, failed: &str, ask: impl FnOnce(Python<'_>) -> PyResult<Verdict<T>>) -> Verdict<T> {
        Python::attach(|py| {
            ask(py).unwrap_or_else(|raised| {
                self.raised.set(raised);
                Verdict::Stop { reason: failed.to_owned() }
            })
        })
    }

    fn stop(&self, raised: PyErr) -> ToolAnswer {
        self.raised.set(raised);
        ToolAnswer::Stop { reason: "a tool ended it".to_owned() }
    }
}

fn shown<'py>(py: Python<'py>, call: &hypercell_host::ToolCall) -> PyResult<Bound<'py, ToolCall>> {
    let args = value::decode(py, call.args.as_bytes(), "arguments")?.unbind();
    Bound::new(py, ToolCall { id: call.id, name: call.name.clone(), args, line: call.line })
}

fn verdict_of<T>(
    said: &Bound<'_, PyAny>,
    change: impl FnOnce(&Bound<'_, PyTuple>) -> PyResult<T>,
) -> PyResult<Verdict<T>> {
    if said.is_none() {
        return Ok(Verdict::Allow);
    }
    if said.is_instance_of::<PyString>() {
        return Ok(Verdict::Deny { reason: lossy(said)? });
    }
    change(said.cast::<PyTuple>()?).map(Verdict::Change)
}

/// A text with lone surrogates still tells more than none.
fn lossy(text: &Bound<'_, PyAny>) -> PyResult<String> {
    Ok(text.cast::<PyString>()?.to_string_lossy().into_owned())
}
