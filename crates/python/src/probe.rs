//! `Probe`: the steps of a start, for `hypercell bench`.
//!
//! Before: `python/hypercell/_bench.py`. After: `hypercell_host::Probe`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hypercell_host::Error;
use pyo3::prelude::*;

use crate::error;
use crate::image::Image;

/// Takes an image's VM through the steps of a start; each returns the seconds that it took.
#[pyclass(frozen, module = "hypercell._native")]
pub(crate) struct Probe(Mutex<hypercell_host::Probe>);

#[pymethods]
impl Probe {
    #[new]
    fn new(image: &Image) -> Self {
        Self(Mutex::new(hypercell_host::Probe::new(image.share())))
    }

    /// Makes a VM.
    fn create(&self, py: Python<'_>) -> PyResult<f64> {
        self.step(py, hypercell_host::Probe::create)
    }

    /// Enters the kernel.
    fn enter(&self, py: Python<'_>) -> PyResult<f64> {
        self.step(py, hypercell_host::Probe::enter)
    }

    /// Runs the program that warms VMs up.
    fn run(&self, py: Python<'_>) -> PyResult<f64> {
        self.step(py, hypercell_host::Probe::run)
    }

    /// Puts the VM back into the image's state.
    fn restore(&self, py: Python<'_>) -> PyResult<f64> {
        self.step(py, hypercell_host::Probe::restore)
    }

    /// Drops the VM.
    fn discard(&self, py: Python<'_>) -> PyResult<f64> {
        self.step(py, |probe| Ok(probe.discard()))
    }
}

impl Probe {
    fn step(
        &self,
        py: Python<'_>,
        step: impl FnOnce(&mut hypercell_host::Probe) -> Result<Duration, Error> + Send,
    ) -> PyResult<f64> {
        let took = py.detach(|| step(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)));
        took.map(|time| time.as_secs_f64()).map_err(|failed| error::raise(py, failed))
    }
}
