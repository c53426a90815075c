//! `Pool`: guests prepared in advance.
//!
//! Guarantees: the interpreter lock is free while guests are waited for or dropped; no thread of a pool ever takes it.
//!
//! Before: `python/hypercell/_pool.py`. After: `hypercell_host::Pool`.

use std::time::Duration;

use hypercell_host::PoolOptions;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error;
use crate::snapshot::Base;

/// Guests of one image or snapshot, prepared in advance for any number of sandboxes.
#[pyclass(frozen, module = "hypercell._native")]
pub(crate) struct Pool {
    pool: hypercell_host::Pool,
}

impl Pool {
    pub(crate) fn share(&self) -> hypercell_host::Pool {
        self.pool.clone()
    }
}

#[pymethods]
impl Pool {
    #[new]
    #[pyo3(signature = (base, *, prepared, max_prepared=None))]
    fn new(py: Python<'_>, base: Base<'_>, prepared: usize, max_prepared: Option<usize>) -> PyResult<Self> {
        let origin = base.origin();
        let made = py.detach(|| {
            hypercell_host::ensure_available()?;
            let max_prepared = max_prepared.unwrap_or_else(|| hypercell_host::pool::default_max(prepared));
            hypercell_host::Pool::new(origin, PoolOptions { prepared, max_prepared })
        });
        let pool = made.map_err(|failed: hypercell_host::Error| error::raise(py, failed))?;
        Ok(Self { pool })
    }

    /// What the pool holds and did.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = py.detach(|| self.pool.stats());
        let dict = PyDict::new(py);
        dict.set_item("ready", stats.ready)?;
        dict.set_item("preparing", stats.preparing)?;
        dict.set_item("leased", stats.leased)?;
        dict.set_item("hits", stats.hits)?;
        dict.set_item("misses", stats.misses)?;
        Ok(dict)
    }

    /// Waits until all guests are ready; returns whether they are.
    fn wait_ready(&self, py: Python<'_>, timeout_s: f64) -> PyResult<bool> {
        let timeout = Duration::try_from_secs_f64(timeout_s)
            .map_err(|_| error::policy(py, &format!("timeout_s is {timeout_s}, which is no time to wait")))?;
        Ok(py.detach(|| self.pool.wait_ready(timeout)))
    }

    /// Drops the guests that wait; runs in sandboxes on this pool fail from now on.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.pool.close());
    }
}
