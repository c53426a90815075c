//! `Image`: a started interpreter on disk.
//!
//! Guarantees: the interpreter lock is free while an image is read or built; Ctrl-C ends a build between its stages.
//!
//! Before: `python/hypercell/_image.py`. After: `hypercell_host::Image`.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use hypercell_host::Error;
use hypercell_host::image::{ImageError, ImageOptions, Interpreter, Listed, Progress};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error;

/// A started interpreter on disk, from which any number of sandboxes start.
#[pyclass(frozen, module = "hypercell._native")]
pub(crate) struct Image {
    image: Arc<hypercell_host::Image>,
}

impl Image {
    fn new(image: hypercell_host::Image) -> Self {
        Self { image: Arc::new(image) }
    }

    pub(crate) fn share(&self) -> Arc<hypercell_host::Image> {
        self.image.clone()
    }
}

#[pymethods]
impl Image {
    /// Loads the image from the cache, or builds it, which removes images that nobody has used for `unused_for_s`.
    /// `progress` hears of each stage, from 0 to 1; what it raises ends the build.
    #[staticmethod]
    #[pyo3(signature = (*, python, guest_dir, cache_dir, packages, warm, memory_bytes, unused_for_s=None, progress=None))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of its own in Python")]
    fn open(
        py: Python<'_>,
        python: PathBuf,
        guest_dir: PathBuf,
        cache_dir: PathBuf,
        packages: Vec<String>,
        warm: Vec<String>,
        memory_bytes: u64,
        unused_for_s: Option<f64>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let unused_for = unused_for_s.and_then(seconds);
        let options = ImageOptions { python, guest_dir, cache_dir, packages, warm, memory_bytes, unused_for };
        let opened = reporting(py, progress.as_ref(), |report| {
            hypercell_host::ensure_available()?;
            Ok(hypercell_host::Image::open(&options, report)?)
        });
        opened.map(Self::new)
    }

    /// Returns the version of an interpreter, such as "3.11.7", which is run for it.
    #[staticmethod]
    fn version_of(py: Python<'_>, python: PathBuf) -> PyResult<String> {
        let found = py.detach(|| Interpreter::discover(&python));
        found.map(|one| one.version_text()).map_err(|failed| error::raise(py, failed.into()))
    }

    /// Loads an image from the cache by its digest, or the beginning of it.
    #[staticmethod]
    fn from_cache(py: Python<'_>, cache_dir: PathBuf, digest: &str) -> PyResult<Self> {
        let loaded = py.detach(|| -> Result<_, Error> {
            hypercell_host::ensure_available()?;
            Ok(hypercell_host::Image::from_cache(&cache_dir, digest)?)
        });
        loaded.map(Self::new).map_err(|failed| error::raise(py, failed))
    }

    /// Brings a file that `save` wrote into the cache, and loads it.
    #[staticmethod]
    #[pyo3(signature = (path, cache_dir, digest=None))]
    fn load(py: Python<'_>, path: PathBuf, cache_dir: PathBuf, digest: Option<&str>) -> PyResult<Self> {
        let loaded = reporting(py, None, |report| {
            hypercell_host::ensure_available()?;
            Ok(hypercell_host::Image::load(&path, digest, &cache_dir, report)?)
        });
        loaded.map(Self::new)
    }

    /// Writes the image to a file and returns the file's SHA-256.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<String> {
        py.detach(|| self.image.save(&path)).map_err(|failed| error::raise(py, failed.into()))
    }

    /// Lists the images of a cache, each as a dictionary.
    #[staticmethod]
    fn list_cache<'py>(py: Python<'py>, cache_dir: PathBuf) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let listed = py.detach(|| hypercell_host::Image::list(&cache_dir));
        let listed = listed.map_err(|failed| error::raise(py, failed.into()))?;
        listed.into_iter().map(|one| shown(py, one)).collect()
    }

    /// Returns the bytes of the byte code that builds have left in a cache.
    #[staticmethod]
    fn bytecode_bytes(py: Python<'_>, cache_dir: PathBuf) -> PyResult<u64> {
        let found = py.detach(|| hypercell_host::Image::bytecode_bytes(&cache_dir));
        found.map_err(|failed| error::raise(py, failed.into()))
    }

    /// Removes images from a cache, and byte code that no build has used for so long.
    #[staticmethod]
    #[pyo3(signature = (cache_dir, digests, bytecode_unused_for_s=None))]
    fn remove(
        py: Python<'_>,
        cache_dir: PathBuf,
        digests: Vec<String>,
        bytecode_unused_for_s: Option<f64>,
    ) -> PyResult<()> {
        let unused_for = bytecode_unused_for_s.and_then(seconds);
        reporting(py, None, |report| {
            Ok(hypercell_host::Image::remove(&cache_dir, &digests, unused_for, &|| report("", 0.0))?)
        })
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

    /// Name and version of each distribution in it.
    #[getter]
    fn packages(&self) -> Vec<(String, String)> {
        self.image.metadata().packages.clone()
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

/// Returns a time; `None` for one that is longer than any clock.
fn seconds(given: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(given).ok()
}

/// Does long work without the interpreter lock. It hears of Ctrl-C, and what `progress` raises, between its stages.
fn reporting<T: Send>(
    py: Python<'_>,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce(&Progress<'_>) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let raised = Mutex::new(None);
    let done = py.detach(|| {
        work(&|stage, fraction| {
            let told = Python::attach(|py| {
                py.check_signals()?;
                progress.map_or(Ok(()), |hook| hook.call1(py, (stage, fraction)).map(drop))
            });
            match told {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    ControlFlow::Break(())
                }
            }
        })
    });
    done.map_err(|failed| match failed {
        Error::Image(ImageError::Cancelled) => {
            let raised = raised.into_inner().unwrap_or_else(PoisonError::into_inner);
            raised.unwrap_or_else(|| error::raise(py, ImageError::Cancelled.into()))
        }
        failed => error::raise(py, failed),
    })
}

fn shown<'py>(py: Python<'py>, listed: Listed) -> PyResult<Bound<'py, PyDict>> {
    let size_bytes = listed.metadata.size_bytes();
    let Listed { digest, metadata, path, last_used, unusable } = listed;
    let last_used = last_used.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let dict = PyDict::new(py);
    dict.set_item("digest", digest)?;
    dict.set_item("python_version", metadata.python_version)?;
    dict.set_item("packages", metadata.packages)?;
    dict.set_item("warm", metadata.warm)?;
    dict.set_item("warm_failed", metadata.warm_failed)?;
    dict.set_item("size_bytes", size_bytes)?;
    dict.set_item("files_bytes", metadata.archive_bytes)?;
    dict.set_item("build_s", Duration::from_millis(metadata.build_ms).as_secs_f64())?;
    dict.set_item("is_imported", metadata.is_imported)?;
    dict.set_item("memory_bytes", metadata.memory_bytes)?;
    dict.set_item("hypercell_version", metadata.hypercell)?;
    dict.set_item("path", path.to_string_lossy())?;
    dict.set_item("last_used_s", last_used.map(|time| time.as_secs_f64()))?;
    dict.set_item("unusable", unusable)?;
    Ok(dict)
}
