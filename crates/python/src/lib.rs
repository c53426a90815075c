//! The module `hypercell._native`: the host crate as Python sees it.
//!
//! Guarantees: no policy lives here; the interpreter lock is free while a guest runs or an image is built; a host
//! error becomes an exception in one place (`error`). Never: knows the hypervisor's library.
//!
//! Before: `python/hypercell`. After: hypercell-host.

mod audit;
mod caller;
mod error;
mod image;
mod network;
mod pool;
mod probe;
mod raw_guest;
mod sandbox;
mod snapshot;
mod trace;
mod value;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    use pyo3::prelude::*;
    use pyo3::types::{PyBytes, PyDict, PyList};

    #[pymodule_export]
    use super::image::Image;
    #[pymodule_export]
    use super::pool::Pool;
    #[pymodule_export]
    use super::probe::Probe;
    #[pymodule_export]
    use super::raw_guest::RawGuest;
    #[pymodule_export]
    use super::sandbox::{Done, Sandbox, ToolCall};
    #[pymodule_export]
    use super::snapshot::Snapshot;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// Checks whether this machine can run micro-VMs: one dict a part, with name, ok, detail and fix.
    #[pyfunction]
    #[pyo3(signature = (*, cache_dir=None))]
    fn preflight(py: Python<'_>, cache_dir: Option<std::path::PathBuf>) -> PyResult<Bound<'_, PyList>> {
        let checks = py.detach(|| hypercell_host::preflight(cache_dir.as_deref()));
        let list = PyList::empty(py);
        for check in checks {
            let dict = PyDict::new(py);
            dict.set_item("name", check.name)?;
            dict.set_item("ok", check.is_ok)?;
            dict.set_item("detail", check.detail)?;
            dict.set_item("fix", check.fix)?;
            list.append(dict)?;
        }
        Ok(list)
    }

    /// Reports an exception as Python reports those that it cannot raise; `source` is where it comes from.
    #[pyfunction]
    fn report_unraisable(error: Bound<'_, PyAny>, source: &Bound<'_, PyAny>) {
        let py = error.py();
        PyErr::from_value(error).write_unraisable(py, Some(source));
    }

    /// Encodes a value as it crosses to the guest; `root` is how errors name it.
    #[pyfunction]
    #[pyo3(signature = (value, *, root="value"))]
    fn encode_value<'py>(value: &Bound<'py, PyAny>, root: &str) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(value.py(), &super::value::encode(value, root)?))
    }

    /// Decodes a value as it comes from the guest; raises `ProtocolError` for any other bytes.
    #[pyfunction]
    fn decode_value<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        super::value::decode_checked(py, data)
    }
}
