//! Lists everything that goes into an image, byte code excepted.
//!
//! Guarantees: the same environment gives the same tree; nothing is read but directories, ELF headers and zones.
//! Never: writes anything.
//!
//! Before: `image`. After: `stdlib`, `packages`, `libraries`, `system`.

use std::path::{Path, PathBuf};

use super::discover::Interpreter;
use super::error::ImageError;
use super::libraries::{self, Unloadable};
use super::packages::{self, Packages};
use super::stdlib;
use super::system::{self, KERNEL_FILE};
use super::tree::{FileTree, Node};

/// An image's files and what they came from.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) interpreter: Interpreter,
    pub(crate) tree: FileTree,
    /// Name and version of each packed distribution.
    pub(crate) package_versions: Vec<(String, String)>,
    /// Compiled modules that cannot be loaded on the host either.
    pub(crate) unloadable: Vec<Unloadable>,
    /// Host paths whose change means that the image has to be looked at again.
    pub(crate) watched: Vec<PathBuf>,
}

/// Asks the interpreter and lists the files.
///
/// # Errors
///
/// Every [`ImageError`] of finding and reading.
pub(crate) fn collect(python: &Path, guest_dir: &Path, packages: &[String]) -> Result<Collected, ImageError> {
    let interpreter = Interpreter::discover(python)?;
    let mut tree = FileTree::default();
    tree.add_dir("/python");
    let stdlib = stdlib::add_stdlib(&mut tree, &interpreter)?;
    let Packages { versions, modules: package_modules, dirs: package_dirs } =
        packages::add_packages(&mut tree, &interpreter, packages)?;
    let guest_files = system::add_guest_package(&mut tree, guest_dir)?;
    system::add_system(&mut tree, &interpreter);
    let modules: Vec<PathBuf> = stdlib.modules.into_iter().chain(package_modules).collect();
    let unloadable = libraries::add_libraries(&mut tree, &interpreter, &modules)?;

    let mut watched = vec![
        python.to_path_buf(),
        interpreter.base_executable.clone(),
        interpreter.prefix.join("pyvenv.cfg"),
        guest_dir.join(KERNEL_FILE),
        guest_dir.join(system::GUEST_PACKAGE),
        PathBuf::from("/etc/ld.so.cache"),
    ];
    watched.extend(guest_files);
    watched.extend(stdlib.dirs);
    watched.extend(package_dirs);
    if !packages.is_empty() {
        watched.extend(interpreter.site_dirs.iter().cloned());
    }
    watched.extend(system_files(&tree));
    Ok(Collected { interpreter, tree, package_versions: versions, unloadable, watched })
}

/// Returns the host files of shared libraries and of /etc: single files, whose directories change for other reasons.
fn system_files(tree: &FileTree) -> Vec<PathBuf> {
    tree.iter()
        .filter(|(path, _)| path.starts_with("/lib") || path.starts_with("/etc/"))
        .filter_map(|(_, node)| match node {
            Node::File { source, .. } => source.host_path().map(Path::to_path_buf),
            _ => None,
        })
        .collect()
}
