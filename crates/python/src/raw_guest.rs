//! `RawGuest`: what runs in place of our kernel, for `hypercell.testing`.
//!
//! Guarantees: the interpreter lock is taken for as long as Python plays a turn, and no longer. Never: decides anything.
//!
//! Before: `python/hypercell/_raw_guest.py`. After: `hypercell_host::RawGuest`.

use std::sync::Arc;

use hypercell_host::raw_guest::Player;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error;

/// A guest of an attacker's making.
#[pyclass(frozen, module = "hypercell._native")]
pub(crate) struct RawGuest {
    guest: Arc<hypercell_host::RawGuest>,
}

impl RawGuest {
    pub(crate) fn share(&self) -> Arc<hypercell_host::RawGuest> {
        self.guest.clone()
    }
}

#[pymethods]
impl RawGuest {
    /// A static ELF, for sandboxes of this memory limit.
    #[staticmethod]
    fn elf(py: Python<'_>, data: &[u8], memory_bytes: u64) -> PyResult<Self> {
        match py.detach(|| hypercell_host::RawGuest::elf(data, memory_bytes)) {
            Ok(guest) => Ok(Self { guest: Arc::new(guest) }),
            Err(failed) => Err(error::raise(py, failed)),
        }
    }

    /// A function that takes and returns the bytes of a turn.
    #[staticmethod]
    fn played(play: Py<PyAny>) -> Self {
        Self { guest: Arc::new(hypercell_host::RawGuest::played(Arc::new(Function(play)))) }
    }
}

struct Function(Py<PyAny>);

impl Player for Function {
    fn play(&self, turn: &[u8]) -> Result<Vec<u8>, String> {
        Python::attach(|py| {
            let said = self.0.bind(py).call1((PyBytes::new(py, turn),)).and_then(|said| said.extract());
            said.map_err(|raised| raised.to_string())
        })
    }
}
