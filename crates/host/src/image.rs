//! Images: the caller's interpreter, its libraries and packages as a guest file system, started once and kept.
//!
//! [`Image::open`] is the way in. It asks the interpreter what it is (`discover`), lists the guest's files
//! (`stdlib`, `packages`, `libraries`, `system`), names the result by its contents (`digest`), and looks there in the
//! cache (`cache`). What is not there is compiled (`bytecode`), packed (`pack`), booted, warmed and captured (`build`). A
//! second process takes a short cut past all of it (`fingerprint`).
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

mod bytecode;
mod cache;
mod collect;
mod cpu;
mod digest;
mod discover;
mod elf;
mod error;
mod fingerprint;
mod libraries;
mod library_cache;
mod pack;
mod packages;
mod script;
mod stdlib;
mod system;
mod tree;
mod warm;

pub use cache::Metadata;
pub use discover::Interpreter;
pub use error::ImageError;

use std::path::Path;

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
    bytecode::add_bytecode(&mut collected.tree, &collected.interpreter, staging.path())?;
    pack::pack(&collected.tree)
}
