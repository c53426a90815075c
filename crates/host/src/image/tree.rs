//! The guest's file system before it becomes an archive: paths, and where each file's contents come from.
//!
//! Guarantees: paths are absolute, normal and UTF-8; every directory above an entry exists; the same inputs give
//! the same tree in the same order, whatever the host's owners, modes and time stamps are.
//! Never: holds the contents of host files (they are read when the archive is written).
//!
//! Before: `stdlib`, `libraries`, `packages`, `system`, `bytecode`. After: `pack`, `digest`.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::elf::ElfFile;
use super::error::ImageError;

/// Where a file's contents come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A host file as it is.
    Host(PathBuf),
    /// A host ELF file without what only debuggers and linkers read.
    HostElf(PathBuf),
    /// Bytes made by the builder.
    Bytes(Vec<u8>),
}

impl Source {
    /// Reads the contents.
    ///
    /// # Errors
    ///
    /// [`ImageError::Read`] where a host file cannot be read.
    pub(crate) fn contents(&self) -> Result<Vec<u8>, ImageError> {
        match self {
            Source::Host(path) => fs::read(path).map_err(ImageError::read(path)),
            Source::HostElf(path) => {
                let mut bytes = fs::read(path).map_err(ImageError::read(path))?;
                ElfFile::keep_loadable_part(&mut bytes);
                Ok(bytes)
            }
            Source::Bytes(bytes) => Ok(bytes.clone()),
        }
    }

    /// Returns how many bytes the contents have at least, as far as that is known without reading them.
    pub(crate) fn min_bytes(&self) -> u64 {
        match self {
            Source::Host(path) => fs::metadata(path).map_or(0, |found| found.len()),
            Source::HostElf(_) => 0,
            Source::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        }
    }

    /// Returns the host file behind the contents, if there is one.
    pub(crate) fn host_path(&self) -> Option<&Path> {
        match self {
            Source::Host(path) | Source::HostElf(path) => Some(path),
            Source::Bytes(_) => None,
        }
    }
}

/// Whether a file is an input of the image or follows from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Counts for the image's digest.
    Input,
    /// Follows from inputs (byte code), and need not be the same bytes each time.
    Derived,
}

/// One entry of the tree.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Dir,
    File { source: Source, is_executable: bool, origin: Origin },
    Symlink { target: String },
}

impl Node {
    /// Returns the permission bits that the guest sees. Nobody in the guest may write to the image.
    pub(crate) fn mode(&self) -> u32 {
        match self {
            Node::Dir | Node::File { is_executable: true, .. } => 0o755,
            Node::File { .. } => 0o644,
            Node::Symlink { .. } => 0o777,
        }
    }
}

/// The guest's file system by absolute path, in byte order.
#[derive(Debug, Default)]
pub(crate) struct FileTree {
    nodes: BTreeMap<String, Node>,
}

impl FileTree {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn contains(&self, path: &str) -> bool {
        self.nodes.contains_key(path)
    }

    /// Adds a directory and the ones above it. The root, an empty path here, is always there.
    pub(crate) fn add_dir(&mut self, path: &str) {
        debug_assert!(path.is_empty() || (path.starts_with('/') && !path.ends_with('/')), "{path}");
        let mut end = path.len();
        while end > 0 && !self.nodes.contains_key(&path[..end]) {
            self.nodes.insert(path[..end].to_owned(), Node::Dir);
            end = path[..end].rfind('/').unwrap_or(0);
        }
    }

    fn add(&mut self, path: &str, node: Node) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.add_dir(parent);
        }
        self.nodes.insert(path.to_owned(), node);
    }

    /// Adds a file, or replaces it.
    pub(crate) fn add_file(&mut self, path: &str, source: Source) {
        self.add(path, Node::File { source, is_executable: false, origin: Origin::Input });
    }

    /// Adds a file that may be executed.
    pub(crate) fn add_executable(&mut self, path: &str, source: Source) {
        self.add(path, Node::File { source, is_executable: true, origin: Origin::Input });
    }

    /// Adds a file that follows from the others.
    pub(crate) fn add_derived(&mut self, path: &str, source: Source) {
        self.add(path, Node::File { source, is_executable: false, origin: Origin::Derived });
    }

    /// Adds a bytes file whose contents the builder makes.
    pub(crate) fn add_text(&mut self, path: &str, text: &str) {
        self.add_file(path, Source::Bytes(text.as_bytes().to_vec()));
    }

    pub(crate) fn add_symlink(&mut self, path: &str, target: &str) {
        self.add(path, Node::Symlink { target: target.to_owned() });
    }

    /// Returns the host files that the tree holds at a place of their own, by real path.
    pub(crate) fn host_files(&self) -> HashSet<PathBuf> {
        self.nodes
            .values()
            .filter_map(|node| match node {
                Node::File { source, .. } => fs::canonicalize(source.host_path()?).ok(),
                _ => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_a_file_adds_the_directories_above_it_once() {
        let mut tree = FileTree::default();
        tree.add_text("/a/b/c", "x");
        tree.add_text("/a/b/d", "y");
        let paths: Vec<&str> = tree.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["/a", "/a/b", "/a/b/c", "/a/b/d"]);
    }

    #[test]
    fn modes_do_not_depend_on_the_host() {
        let mut tree = FileTree::default();
        tree.add_executable("/bin/x", Source::Bytes(Vec::new()));
        tree.add_text("/bin/y", "");
        let modes: Vec<u32> = tree.iter().map(|(_, node)| node.mode()).collect();
        assert_eq!(modes, [0o755, 0o755, 0o644]);
    }
}
