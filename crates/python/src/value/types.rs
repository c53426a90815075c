//! The Python classes and functions that values need, looked up once.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyInt, PyType};

/// Looked up at the first value.
pub(crate) struct Types {
    pub(crate) datetime: Py<PyType>,
    pub(crate) date: Py<PyType>,
    pub(crate) time: Py<PyType>,
    pub(crate) timedelta: Py<PyType>,
    pub(crate) decimal: Py<PyType>,
    pub(crate) uuid: Py<PyType>,
    /// `dataclasses.fields`.
    pub(crate) dataclass_fields: Py<PyAny>,
    /// `int.to_bytes` and `int.from_bytes`, which subclasses cannot replace.
    pub(crate) int_to_bytes: Py<PyAny>,
    pub(crate) int_from_bytes: Py<PyAny>,
    pub(crate) int_invert: Py<PyAny>,
    pub(crate) int_bit_length: Py<PyAny>,
}

static TYPES: PyOnceLock<Types> = PyOnceLock::new();

impl Types {
    /// Returns the classes and functions.
    pub(crate) fn get(py: Python<'_>) -> PyResult<&'static Self> {
        TYPES.get_or_try_init(py, || Self::look_up(py))
    }

    fn look_up(py: Python<'_>) -> PyResult<Self> {
        let class = |module: &str, name: &str| -> PyResult<Py<PyType>> {
            Ok(py.import(module)?.getattr(name)?.cast_into::<PyType>()?.unbind())
        };
        let int = py.get_type::<PyInt>();
        let method = |name: &str| int.getattr(name).map(Bound::unbind);
        Ok(Self {
            datetime: class("datetime", "datetime")?,
            date: class("datetime", "date")?,
            time: class("datetime", "time")?,
            timedelta: class("datetime", "timedelta")?,
            decimal: class("decimal", "Decimal")?,
            uuid: class("uuid", "UUID")?,
            dataclass_fields: py.import("dataclasses")?.getattr("fields")?.unbind(),
            int_to_bytes: method("to_bytes")?,
            int_from_bytes: method("from_bytes")?,
            int_invert: method("__invert__")?,
            int_bit_length: method("bit_length")?,
        })
    }
}

/// Returns a class of numpy, if the program has imported numpy.
pub(crate) fn numpy_class<'py>(py: Python<'py>, name: &str) -> Option<Bound<'py, PyAny>> {
    let modules = py.import("sys").ok()?.getattr("modules").ok()?;
    modules.get_item("numpy").ok()?.getattr(name).ok()
}
