//! Images: the caller's interpreter, its libraries and packages as a guest file system, started once and kept.
//!
//! [`Image::open`] is the way in. It asks the interpreter what it is (`discover`), lists the guest's files
//! (`stdlib`, `packages`, `libraries`, `system`), names the result by its contents (`digest`), and looks there in the
//! cache (`cache`). What is not there is compiled (`bytecode`, `compiled`), packed (`pack`), booted, warmed and captured (`build`). A
//! second process takes a short cut past all of it (`fingerprint`). After a build, what nobody uses any more goes (`trim`).
//!
//! Guarantees: two processes that ask for the same image build it once; an image is complete or absent; an
//! error names the path and what to do.
//! Never: reads a file that a guest names; everything here happens before a guest runs, or without it.
//!
//! Before: the caller's settings. After: `build`, `vm` and the cache directory; then `sandbox` starts from the snapshot.

#![expect(
    clippy::disallowed_methods,
    reason = "this module reads the interpreter's files, runs it, and owns the cache directory"
)]

mod build;
mod bytecode;
mod cache;
mod catalog;
mod collect;
mod compiled;
mod cpu;
mod digest;
mod discover;
mod elf;
mod error;
mod export;
mod fingerprint;
mod first_start;
mod libraries;
mod library_cache;
mod pack;
mod packages;
mod script;
mod share;
mod stdlib;
mod system;
mod tree;
mod trim;
mod warm;

pub(crate) use build::{memory_class, scratch_bytes};
pub use cache::Metadata;
pub use catalog::Listed;
pub(crate) use cpu::{difference as difference_of_processors, features as cpu_features};
pub use discover::Interpreter;
pub use error::ImageError;

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cache::{BuildLock, Cache, Entry, Lookup};
use collect::Collected;
use compiled::Compiled;
use digest::Settings;
use fingerprint::{Fingerprint, Request};

use crate::vm::VmSnapshot;

/// What an image is made of, and where it is kept.
#[derive(Clone, Debug)]
pub struct ImageOptions {
    /// The interpreter, as an absolute path; one of a virtual environment brings that environment's packages.
    pub python: PathBuf,
    /// The installation's directory with the guest kernel and the guest's Python package.
    pub guest_dir: PathBuf,
    /// The cache directory; made if it is not there.
    pub cache_dir: PathBuf,
    /// Distributions to pack, with what they require; none but the standard library by default.
    pub packages: Vec<String>,
    /// Modules to import before the snapshot, besides those that programs use most.
    pub warm: Vec<String>,
    /// Largest memory limit of sandboxes on this image; served by the next class, from 128 MiB to 8 GiB.
    pub memory_bytes: u64,
    /// For how long nobody must have used an image until a build removes it; no build removes any if this is not given.
    pub unused_for: Option<Duration>,
}

/// Hears about a build's stage and how much of it is done, from 0 to 1. It may stop the build.
pub type Progress<'a> = dyn Fn(&str, f64) -> ControlFlow<()> + 'a;

/// A started interpreter on disk, from which any number of sandboxes start.
#[derive(Debug)]
pub struct Image {
    entry: Entry,
    snapshot: VmSnapshot,
    notices: Vec<String>,
    /// Keeps builds of other processes from removing the entry.
    _held: Option<File>,
}

impl Image {
    /// Loads the image from the cache, or builds it.
    ///
    /// Loading takes a millisecond or two, reading everything again after a change about half a second, building
    /// several seconds. Two processes that ask for the same image build it once.
    ///
    /// # Errors
    ///
    /// Every [`ImageError`]. A damaged entry is no error: it is built again, and [`Image::notices`] tells.
    pub fn open(options: &ImageOptions, progress: &Progress<'_>) -> Result<Image, ImageError> {
        if !options.python.is_absolute() {
            return Err(ImageError::InterpreterUnsupported {
                python: options.python.clone(),
                detail: "its path is not absolute".to_owned(),
            });
        }
        let cache = Cache::open(&options.cache_dir)?;
        let (cpu, engine) = (cpu::features(), build::engine_settings(memory_class(options.memory_bytes).1));
        let library_path = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
        let request = Request {
            python: &options.python,
            guest_dir: &options.guest_dir,
            packages: &options.packages,
            warm: &options.warm,
            cpu: &cpu,
            engine: &engine,
            library_path: &library_path,
        };
        let key_file = cache.key_file(&request.key());
        let mut notices = Vec::new();
        if let Some(digest) = Fingerprint::load(&key_file)
            && let Some(image) = load(&cache, &digest, &mut notices)
        {
            return Ok(image);
        }

        let report = |stage: &str, fraction: f64| match progress(stage, fraction) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ImageError::Cancelled),
        };
        report("looking at the interpreter", 0.0)?;
        let began = Instant::now();
        let collected = collect::collect(&options.python, &options.guest_dir, &options.packages)?;
        // Before the contents are read: a change in between gives another fingerprint next time.
        let fingerprint = Fingerprint::take(collected.watched.clone());
        report("reading the interpreter's files", 0.05)?;
        let kernel = system::kernel_file(&options.guest_dir)?;
        let warm = warm::modules(&options.warm);
        let settings = Settings { kernel: &kernel, warm: &warm, cpu: &cpu, engine: &engine };
        let digest = digest::image_digest(&collected.tree, &settings)?;

        let looked_for = began.elapsed();

        let mut lock = None;
        let mut image = match load(&cache, &digest, &mut notices) {
            Some(image) => image,
            None => {
                let lock = lock.insert(cache.lock(|| progress("waiting for another process's build", 0.1))?);
                match load(&cache, &digest, &mut notices) {
                    Some(image) => image,
                    None => {
                        let plan =
                            Plan { options, collected, looked_for, digest: &digest, kernel: &kernel, warm };
                        plan.build(&cache, lock, &report)?
                    }
                }
            }
        };
        // A script in the interpreter's place (a version manager's) decides anew each time which interpreter it is.
        let fingerprint =
            if elf::is_elf(&options.python) { fingerprint } else { Fingerprint::take(Vec::new()) };
        // Without a key file the next process is slower, and right all the same.
        if let Err(error) = cache.make_key_dir().and_then(|()| fingerprint.save(&digest, &key_file)) {
            let file = key_file.display();
            notices.push(format!("cannot write {file}: {error}; the next start will be slower"));
        }
        if let (Some(lock), Some(unused_for)) = (&lock, options.unused_for) {
            trim::trim(&cache, lock, unused_for);
        }
        image.notices = notices;
        report("ready", 1.0)?;
        Ok(image)
    }

    /// Returns the SHA-256 of everything that decides what the guest does, as 64 hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.entry.metadata.digest
    }

    /// Returns the interpreter's version, `3.11.7`.
    pub fn python_version(&self) -> &str {
        &self.entry.metadata.python_version
    }

    /// Returns the bytes that the image takes on disk.
    pub fn size_bytes(&self) -> u64 {
        self.entry.metadata.size_bytes()
    }

    /// Returns the largest memory limit that a sandbox on this image can have, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.entry.metadata.memory_bytes
    }

    /// Returns the image's directory in the cache.
    pub fn path(&self) -> &Path {
        &self.entry.dir
    }

    /// Returns what was noted about the image when it was built.
    pub fn metadata(&self) -> &Metadata {
        &self.entry.metadata
    }

    /// Returns what the caller should hear about this opening: damaged entries, a cache that cannot be written.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Returns the state that sandboxes start from. A copy shares the memory.
    pub fn snapshot(&self) -> VmSnapshot {
        self.snapshot.clone()
    }

    /// Reads all of the image and compares it with what was built. Takes about a second for 100 MB.
    ///
    /// # Errors
    ///
    /// [`ImageError::Cache`] with the file that differs.
    pub fn verify(&self) -> Result<(), ImageError> {
        cache::verify(&self.entry)
            .map_err(|detail| ImageError::Cache { path: self.entry.dir.clone(), detail })
    }
}

/// Loads an entry. A damaged one is as good as absent, and leaves a notice.
fn load(cache: &Cache, digest: &str, notices: &mut Vec<String>) -> Option<Image> {
    // Before it is looked at: what is held is not removed.
    let held = cache.hold(digest);
    let found = match cache.look_up(digest) {
        Lookup::Absent => return None,
        Lookup::Damaged(detail) => Err(detail),
        Lookup::Found(entry) => match VmSnapshot::load(&entry.snapshot_dir()) {
            Ok(snapshot) => {
                cache.touch(&entry);
                Ok(Image { entry: *entry, snapshot, notices: notices.clone(), _held: held })
            }
            Err(error) => Err(error.to_string()),
        },
    };
    found
        .map_err(|detail| {
            let notice = format!("image {digest} in the cache is damaged and is built again: {detail}");
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        })
        .ok()
}

/// A build that is due.
struct Plan<'a> {
    options: &'a ImageOptions,
    collected: Collected,
    /// How long it took to collect that and to find the digest.
    looked_for: Duration,
    digest: &'a str,
    kernel: &'a Path,
    warm: Vec<String>,
}

impl Plan<'_> {
    /// Compiles, packs, boots, warms, captures, saves and publishes.
    fn build(
        self,
        cache: &Cache,
        lock: &BuildLock,
        report: &dyn Fn(&str, f64) -> Result<(), ImageError>,
    ) -> Result<Image, ImageError> {
        let began = Instant::now();
        let Collected { interpreter, mut tree, package_versions, unloadable, .. } = self.collected;
        let staging = cache.staging(lock)?;
        report("compiling Python sources", 0.1)?;
        let kept = Compiled::new(cache.root(), &interpreter);
        bytecode::add_bytecode(&mut tree, &interpreter, &staging.path().join("bytecode"), &kept)?;
        report("packing files", 0.4)?;
        let archive = pack::pack(&tree)?;
        let (memory_bytes, scratch_bytes) = memory_class(self.options.memory_bytes);
        let started = build::start(self.kernel, &archive, &interpreter, &self.warm, scratch_bytes, report)?;
        if let Some((module, message)) =
            started.warm_failed.iter().find(|(module, _)| self.options.warm.contains(module))
        {
            let detail = format!("cannot import {module}: {message}");
            return Err(ImageError::Start { stage: "warming", detail });
        }
        report("saving the snapshot", 0.9)?;
        let entry_dir = staging.path().join("entry");
        cache.save_into(&entry_dir, |dir| started.snapshot.save(dir).map_err(|error| error.to_string()))?;
        let files = cache.settle(&entry_dir)?;
        let metadata = Metadata {
            digest: self.digest.to_owned(),
            hypercell: env!("CARGO_PKG_VERSION").to_owned(),
            abi: hypercell_abi::ABI_VERSION,
            python_version: interpreter.version_text(),
            packages: package_versions,
            warm: self.warm,
            warm_failed: started.warm_failed,
            unloadable: unloadable
                .into_iter()
                .map(|item| (item.module.to_string_lossy().into_owned(), item.library))
                .collect(),
            archive_bytes: u64::try_from(archive.len()).unwrap_or(u64::MAX),
            memory_bytes,
            build_ms: u64::try_from((self.looked_for + began.elapsed()).as_millis()).unwrap_or(u64::MAX),
            is_imported: false,
            cpu: cpu::features(),
            engine: build::engine_settings(scratch_bytes),
            files,
        };
        let entry = cache.publish(lock, &entry_dir, metadata)?;
        // From the saved files, as every later process: they are mapped, and shared between processes.
        let snapshot = VmSnapshot::load(&entry.snapshot_dir()).map_err(|error| ImageError::Start {
            stage: "loading the snapshot",
            detail: error.to_string(),
        })?;
        let held = cache.hold(self.digest);
        Ok(Image { entry, snapshot, notices: Vec::new(), _held: held })
    }
}

/// Packs the guest file system of an interpreter into an archive, without starting it.
///
/// This is the first half of a build, for looking at images and for tests of the guest kernel.
///
/// # Errors
///
/// Every [`ImageError`] of finding, reading and compiling the files.
pub fn pack_archive(python: &Path, guest_dir: &Path, packages: &[String]) -> Result<Vec<u8>, ImageError> {
    let mut collected = collect::collect(python, guest_dir, packages)?;
    let staging = tempfile::tempdir().map_err(ImageError::read("the temporary directory"))?;
    let kept = Compiled::new(staging.path(), &collected.interpreter);
    bytecode::add_bytecode(&mut collected.tree, &collected.interpreter, staging.path(), &kept)?;
    pack::pack(&collected.tree)
}
