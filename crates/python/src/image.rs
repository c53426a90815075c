//! `Image`: a started interpreter on disk.
//!
//! Guarantees: the interpreter lock is free while an image is read or built; Ctrl-C ends a build between its stages.
//!
//! Before: `python/hypercell/_image.py`. After: `hypercell_host::Image`.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hypercell_host::Error;
use hypercell_host::image::{ImageError, ImageOptions};
use pyo3::prelude::*;

use crate::error;

/// A started interpreter on disk, from which any number of sandboxes start.
#[pyclass(frozen, module = "hypercell._native")]
pub(crate) struct Image {
    image: Arc<hypercell_host::Image>,
}

impl Image {
    pub(crate) fn share(&self) -> Arc<hypercell_host::Image> {
        self.image.clone()
    }
}

#[pymethods]
impl Image {
    /// Loads the image from the cache, or builds it. `progress` hears of each stage, from 0 to 1; what it raises ends
    /// the build.
    #[staticmethod]
    #[pyo3(signature = (*, python, guest_dir, cache_dir, packages, warm, memory_bytes, progress=None))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of its own in Python")]
    fn open(
        py: Python<'_>,
        python: PathBuf,
        guest_dir: PathBuf,
        cache_dir: PathBuf,
        packages: Vec<String>,
        warm: Vec<String>,
        memory_bytes: u64,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let options = ImageOptions { python, guest_dir, cache_dir, packages, warm, memory_bytes };
        let raised = Mutex::new(None);
        let opened = py.detach(|| -> Result<_, Error> {
            hypercell_host::ensure_available()?;
            let report = |stage: &str, fraction: f64| {
                let told = Python::attach(|py| {
                    py.check_signals()?;
                    progress.as_ref().map_or(Ok(()), |hook| hook.call1(py, (stage, fraction)).map(drop))
                });
                match told {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        ControlFlow::Break(())
                    }
                }
            };
            Ok(hypercell_host::Image::open(&options, &report)?)
        });
        match opened {
            Ok(image) => Ok(Self { image: Arc::new(image) }),
            Err(Error::Image(ImageError::Cancelled)) => {
                let raised = raised.into_inner().unwrap_or_else(PoisonError::into_inner);
                Err(raised.unwrap_or_else(|| error::raise(py, ImageError::Cancelled.into())))
            }
            Err(failed) => Err(error::raise(py, failed)),
        }
    }

    /// SHA-256 of everything that decides what the guest does, as hexadecimal digits.
    #[getter]
    fn digest(&self) -> &str {
        self.image.digest()
    }

    /// Version of the interpreter, such as "3.11.7".
    #[getter]
    fn python_version(&self) -> &str {
        self.image.python_version()
    }

    /// Bytes on disk.
    #[getter]
    fn size_bytes(&self) -> u64 {
        self.image.size_bytes()
    }

    /// Largest memory limit of a sandbox on this image, in bytes.
    #[getter]
    fn memory_bytes(&self) -> u64 {
        self.image.memory_bytes()
    }

    /// Directory in the cache.
    #[getter]
    fn path(&self) -> String {
        self.image.path().to_string_lossy().into_owned()
    }

    /// What the caller should hear about this opening, such as a damaged entry that was built again.
    #[getter]
    fn notices(&self) -> Vec<String> {
        self.image.notices().to_vec()
    }

    fn __repr__(&self) -> String {
        let digest = self.image.digest().get(..12).unwrap_or_default();
        format!("<hypercell._native.Image python={} digest={digest}>", self.image.python_version())
    }
}
