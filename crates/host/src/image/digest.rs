//! The name of an image: a digest of everything that decides what its guest does.
//!
//! Guarantees: two builds have the same digest exactly when they have the same files, kernel, settings, hypercell
//! version, wire version and processor features.
//! Never: counts byte code, which follows from the sources and is not the same bytes each time.
//!
//! Before: `image`. After: `tree`.

use std::fs;
use std::path::Path;
use std::thread;

use sha2::{Digest, Sha256};

use super::error::ImageError;
use super::tree::{FileTree, Node, Origin};
use crate::hex;

/// What decides an image besides its files.
#[derive(Clone, Debug)]
pub(crate) struct Settings<'a> {
    /// The kernel's ELF file.
    pub(crate) kernel: &'a Path,
    /// Modules that are imported before the snapshot.
    pub(crate) warm: &'a [String],
    /// See `cpu`.
    pub(crate) cpu: &'a str,
    /// Memory layout and other constants of the engine, as text.
    pub(crate) engine: &'a str,
}

/// Returns the digest as 64 hexadecimal digits.
///
/// # Errors
///
/// [`ImageError::Read`] where a file of the tree or the kernel cannot be read.
pub(crate) fn image_digest(tree: &FileTree, settings: &Settings<'_>) -> Result<String, ImageError> {
    let mut total = Sha256::new();
    let mut field = |name: &str, value: &[u8]| {
        total.update(name.as_bytes());
        total.update(u64::try_from(value.len()).unwrap_or(u64::MAX).to_le_bytes());
        total.update(value);
    };
    field("hypercell", env!("CARGO_PKG_VERSION").as_bytes());
    field("engine", settings.engine.as_bytes());
    field("cpu", settings.cpu.as_bytes());
    for module in settings.warm {
        field("warm", module.as_bytes());
    }
    let kernel = fs::read(settings.kernel).map_err(ImageError::read(settings.kernel))?;
    field("kernel", &Sha256::digest(&kernel));
    for (path, mode, contents) in entry_digests(tree)? {
        field("path", path.as_bytes());
        field("mode", &mode.to_le_bytes());
        field("contents", &contents);
    }
    Ok(hex::encode(&total.finalize()))
}

type EntryDigest<'a> = (&'a str, u32, Vec<u8>);

/// Hashes the entries on all processors, and returns them in the tree's order.
fn entry_digests(tree: &FileTree) -> Result<Vec<EntryDigest<'_>>, ImageError> {
    let entries: Vec<(&str, &Node)> =
        tree.iter().filter(|(_, node)| !matches!(node, Node::File { origin: Origin::Derived, .. })).collect();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let shares = entries.chunks(entries.len().div_ceil(workers).max(1));
    let results: Vec<_> = thread::scope(|scope| {
        let handles: Vec<_> = shares
            .map(|share| {
                scope.spawn(move || share.iter().map(|(path, node)| entry_digest(path, node)).collect())
            })
            .collect();
        handles.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let mut digests = Vec::with_capacity(entries.len());
    for result in results {
        let share: Result<Vec<_>, ImageError> = match result {
            Ok(share) => share,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        digests.extend(share?);
    }
    Ok(digests)
}

fn entry_digest<'a>(path: &'a str, node: &Node) -> Result<EntryDigest<'a>, ImageError> {
    let contents = match node {
        Node::Dir => Vec::new(),
        Node::File { source, .. } => Sha256::digest(source.contents()?).to_vec(),
        Node::Symlink { target } => target.clone().into_bytes(),
    };
    Ok((path, node.mode(), contents))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tree::Source;

    fn digest(tree: &FileTree, warm: &[String]) -> String {
        let settings = Settings { kernel: Path::new("/etc/hostname"), warm, cpu: "test", engine: "test" };
        image_digest(tree, &settings).expect("readable")
    }

    #[test]
    fn contents_paths_and_settings_count_and_byte_code_does_not() {
        let mut tree = FileTree::default();
        tree.add_text("/a", "one");
        let first = digest(&tree, &[]);
        assert_eq!(first.len(), 64);
        tree.add_derived("/a.pyc", Source::Bytes(b"code".to_vec()));
        assert_eq!(digest(&tree, &[]), first);
        assert_ne!(digest(&tree, &["json".to_owned()]), first);
        tree.add_text("/a", "two");
        assert_ne!(digest(&tree, &[]), first);
    }
}
