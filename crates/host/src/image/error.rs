//! What can go wrong while an image is found, built or loaded.
//!
//! Guarantees: each variant is one cause, and its text names the offending path or value and what to do.
//! Never: carries bytes of the guest beyond its own report, or hides an I/O error's reason.
//!
//! Before: every other file of this folder. After: the crate's error type, then `ImageError` in Python.

use std::io;
use std::path::PathBuf;

use crate::engine::VmError;

/// Why an image could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The interpreter did not start at all.
    #[error("cannot run the interpreter {}: {source}", python.display())]
    InterpreterStart {
        /// The path that was run.
        python: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The interpreter started and did not answer as asked.
    #[error("the interpreter {} did not describe itself: {detail}", python.display())]
    InterpreterAnswer {
        /// The path that was run.
        python: PathBuf,
        /// Exit status and the end of its standard error, or what was wrong with the answer.
        detail: String,
    },
    /// The interpreter answered, and it is one that cannot be a guest.
    #[error("the interpreter {} is not supported: {detail}", python.display())]
    InterpreterUnsupported {
        /// The path that was run.
        python: PathBuf,
        /// What it is, and what is supported.
        detail: String,
    },
    /// A file that the image needs could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file that should be an ELF file is not, or is for another machine.
    #[error("{} is not an x86-64 ELF file for Linux: {detail}", path.display())]
    Elf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The interpreter or its C library needs a shared library that is not installed.
    #[error("{} needs the shared library {library:?}, which is not installed", path.display())]
    LibraryMissing {
        /// The file that needs it.
        path: PathBuf,
        /// The name it asks for.
        library: String,
    },
    /// A package that was asked for cannot be packed.
    #[error("cannot pack the package {package:?}: {detail}")]
    Package {
        /// The name that was asked for.
        package: String,
        /// Why not.
        detail: String,
    },
    /// The guest kernel or the guest's Python files are missing: the installation is damaged.
    #[error("the guest files in {} are incomplete: {detail}; reinstall hypercell", path.display())]
    GuestFiles {
        /// The directory that should hold them.
        path: PathBuf,
        /// What is missing.
        detail: String,
    },
    /// The files together are more than an image may hold.
    #[error("the image would hold {size_bytes} bytes in {file_count} files: {detail}")]
    TooLarge {
        /// Bytes of all files.
        size_bytes: u64,
        /// Number of entries.
        file_count: usize,
        /// Which limit.
        detail: String,
    },
    /// The cache directory cannot be used.
    #[error(
        "cannot use the image cache {}: {detail}; set HYPERCELL_CACHE_DIR to a directory of your own",
        path.display()
    )]
    Cache {
        /// The directory or file.
        path: PathBuf,
        /// Why not.
        detail: String,
    },
    /// No image of the cache has this digest, or more than one begins so.
    #[error("no image to take for {digest:?} in the cache {}: {detail}", path.display())]
    Unknown {
        /// What was asked for.
        digest: String,
        /// The cache directory.
        path: PathBuf,
        /// How many there are, and what else is wrong.
        detail: String,
    },
    /// The image is of another version, or another kind of processor.
    #[error("the image {digest} cannot start here: {detail}")]
    Foreign {
        /// Which image.
        digest: String,
        /// What differs.
        detail: String,
    },
    /// The file of an exported image cannot be written or used.
    #[error("cannot use {} as the file of an image: {detail}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        detail: String,
    },
    /// There is no hypervisor to start the image in, or it failed. The image is not at fault.
    #[error("the image cannot be started: {0}")]
    Vm(VmError),
    /// A stage of the first start in the micro-VM failed.
    #[error("the image did not start: {stage}: {detail}")]
    Start {
        /// Which stage.
        stage: &'static str,
        /// What the guest or the VM said.
        detail: String,
    },
    /// The caller's progress function asked to stop.
    #[error("the image build was cancelled")]
    Cancelled,
}

impl ImageError {
    /// Tells a failing hypervisor from a guest that failed in a stage of its first start.
    pub(crate) fn start(stage: &'static str) -> impl FnOnce(VmError) -> ImageError {
        move |error| match error {
            VmError::Unavailable { .. } | VmError::Hypervisor { .. } => ImageError::Vm(error),
            other => ImageError::Start { stage, detail: other.to_string() },
        }
    }

    /// Wraps an I/O error with the path it happened at.
    pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> ImageError {
        let path = path.into();
        move |source| ImageError::Read { path, source }
    }
}
