//! `Snapshot`: the state of a sandbox as a value, and `Base`, what VMs are made from.
//!
//! Guarantees: the interpreter lock is free while a file is read or written.
//!
//! Before: `python/hypercell/_snapshot.py`. After: `hypercell_host::Snapshot`.

use std::path::PathBuf;
use std::sync::Arc;

use hypercell_host::{Error, Origin};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error;
use crate::image::Image;
use crate::raw_guest::RawGuest;
use crate::sandbox::ToolCall;
use crate::value;

/// The state of a sandbox at rest.
#[pyclass(frozen, module = "hypercell._native")]
pub(crate) struct Snapshot {
    snapshot: Arc<hypercell_host::Snapshot>,
}

/// What VMs are made from.
#[derive(FromPyObject)]
pub(crate) enum Base<'py> {
    Image(PyRef<'py, Image>),
    Snapshot(PyRef<'py, Snapshot>),
    Raw(PyRef<'py, RawGuest>),
}

impl Base<'_> {
    pub(crate) fn origin(&self) -> Origin {
        match self {
            Self::Image(image) => Origin::Image(image.share()),
            Self::Snapshot(snapshot) => Origin::Snapshot(snapshot.snapshot.clone()),
            Self::Raw(guest) => Origin::Raw(guest.share()),
        }
    }
}

impl Snapshot {
    pub(crate) fn new(snapshot: Arc<hypercell_host::Snapshot>) -> Self {
        Self { snapshot }
    }
}

#[pymethods]
impl Snapshot {
    /// Reads a file that `save` wrote.
    #[staticmethod]
    #[pyo3(signature = (path, digest=None))]
    fn load(py: Python<'_>, path: PathBuf, digest: Option<&str>) -> PyResult<Self> {
        let loaded = py.detach(|| {
            hypercell_host::ensure_available()?;
            Ok(hypercell_host::Snapshot::load(&path, digest)?)
        });
        loaded.map(|snapshot| Self::new(Arc::new(snapshot))).map_err(|failed: Error| error::raise(py, failed))
    }

    /// Writes it to a file; returns the file's SHA-256.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<String> {
        py.detach(|| self.snapshot.save(&path)).map_err(|failed| error::raise(py, failed.into()))
    }

    /// The call that it waits for, if it was taken in the middle of a run.
    fn pending(&self, py: Python<'_>) -> PyResult<Option<ToolCall>> {
        self.snapshot.pending().map(|call| shown(py, call)).transpose()
    }

    /// Names of the tools that it was taken with, and whether a call of each pauses the run.
    #[getter]
    fn tools(&self) -> Vec<(String, bool)> {
        self.snapshot.tools().iter().map(|tool| (tool.name.clone(), tool.pauses)).collect()
    }

    /// The limits that it was taken with.
    #[getter]
    fn limits<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let limits = self.snapshot.limits();
        let dict = PyDict::new(py);
        dict.set_item("wall_time_s", limits.wall_time.map(|time| time.as_secs_f64()))?;
        dict.set_item("guest_time_s", limits.guest_time.map(|time| time.as_secs_f64()))?;
        dict.set_item("memory_bytes", limits.memory_bytes)?;
        dict.set_item("output_bytes", limits.output_bytes)?;
        dict.set_item("tool_calls", limits.tool_calls)?;
        dict.set_item("tool_argument_bytes", limits.tool_argument_bytes)?;
        dict.set_item("tool_result_bytes", limits.tool_result_bytes)?;
        dict.set_item("result_bytes", limits.result_bytes)?;
        dict.set_item("code_bytes", limits.code_bytes)?;
        dict.set_item("value_depth", limits.value_depth)?;
        dict.set_item("http_requests", limits.http_requests)?;
        dict.set_item("http_request_bytes", limits.http_request_bytes)?;
        dict.set_item("http_response_bytes", limits.http_response_bytes)?;
        dict.set_item("file_read_bytes", limits.file_read_bytes)?;
        dict.set_item("file_write_bytes", limits.file_write_bytes)?;
        dict.set_item("open_files", limits.open_files)?;
        dict.set_item("file_count", limits.file_count)?;
        dict.set_item("output_file_bytes", limits.output_file_bytes)?;
        dict.set_item("output_total_bytes", limits.output_total_bytes)?;
        dict.set_item("output_file_count", limits.output_file_count)?;
        dict.set_item("http_time_s", limits.http_time.as_secs_f64())?;
        Ok(dict)
    }

    /// Whether it was taken in a sandbox that keeps globals after a run.
    #[getter]
    fn keeps_state(&self) -> bool {
        self.snapshot.keeps_state()
    }

    /// Version of the interpreter, such as "3.11.7".
    #[getter]
    fn python_version(&self) -> &str {
        self.snapshot.python_version()
    }

    /// SHA-256 of the image that it began as.
    #[getter]
    fn image_digest(&self) -> &str {
        self.snapshot.image_digest()
    }

    /// Largest memory limit of a sandbox that goes on from it, in bytes.
    #[getter]
    fn memory_bytes(&self) -> u64 {
        self.snapshot.memory_bytes()
    }
}

/// Makes the Python object of a call.
pub(crate) fn shown(py: Python<'_>, call: &hypercell_host::ToolCall) -> PyResult<ToolCall> {
    let args = value::decode(py, call.args.as_bytes(), "arguments")?.unbind();
    Ok(ToolCall { id: call.id, name: call.name.clone(), args, line: call.line })
}
