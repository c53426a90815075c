//! Writes the tree as an image archive.
//!
//! Guarantees: equal trees give equal bytes.
//! Never: copies a host's owner, permission or time stamp.
//!
//! Before: `image`. After: `hypercell_abi::archive`, which the guest kernel reads.

use hypercell_abi::archive::{ArchiveBuilder, BuildError};

use super::error::ImageError;
use super::tree::{FileTree, Node};

/// When everything in an image was last changed, as far as the guest can see: 2020-01-01. Zip files cannot say
/// anything before 1980, and byte code does not depend on it.
const MODIFIED_S: i64 = 1_577_836_800;
/// The archive lies below the guest's kernel, which is at 0x7000_0000 (`guest/kernel/link.ld`), with room for its index.
/// Twice the largest set of scientific packages tried.
const MAX_IMAGE_BYTES: u64 = 1700 << 20;

/// Reads all files and returns the archive.
///
/// # Errors
///
/// [`ImageError::Read`] for a file that cannot be read, [`ImageError::TooLarge`] for too many bytes.
pub(crate) fn pack(tree: &FileTree) -> Result<Vec<u8>, ImageError> {
    let too_large =
        |size_bytes: u64, detail: String| ImageError::TooLarge { size_bytes, file_count: tree.len(), detail };
    let mut builder = ArchiveBuilder::new();
    let mut size_bytes: u64 = 0;
    for (path, node) in tree.iter() {
        let added = match node {
            Node::Dir => builder.add_dir(path, node.mode(), MODIFIED_S),
            Node::Symlink { target } => builder.add_symlink(path, MODIFIED_S, target),
            Node::File { source, .. } => {
                let check = |size_bytes: u64| {
                    let detail = format!("more than {MAX_IMAGE_BYTES} bytes; choose fewer packages");
                    if size_bytes > MAX_IMAGE_BYTES {
                        Err(too_large(size_bytes, detail))
                    } else {
                        Ok(size_bytes)
                    }
                };
                check(size_bytes.saturating_add(source.min_bytes()))?;
                let contents = source.contents()?;
                let len_bytes = u64::try_from(contents.len()).unwrap_or(u64::MAX);
                size_bytes = check(size_bytes.saturating_add(len_bytes))?;
                builder.add_file(path, node.mode(), MODIFIED_S, contents)
            }
        };
        added.map_err(|error: BuildError| too_large(size_bytes, error.to_string()))?;
    }
    builder.finish().map_err(|error| too_large(size_bytes, error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use hypercell_abi::archive::Archive;

    use super::*;
    use crate::image::tree::Source;

    #[test]
    fn more_than_the_guest_has_room_for_is_refused_before_it_is_read() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut tree = FileTree::default();
        for (name, len_bytes) in [("small", 100), ("z", MAX_IMAGE_BYTES - 100)] {
            let path = dir.path().join(name);
            // Sparse: it takes no room on the disk.
            File::create(&path).and_then(|file| file.set_len(len_bytes)).expect("writable");
            tree.add_file(&format!("/{name}"), Source::Host(path));
        }
        tree.add_file("/a", Source::Host(dir.path().join("small")));
        let error = pack(&tree).expect_err("too large");
        let ImageError::TooLarge { size_bytes, file_count, .. } = &error else { panic!("{error}") };
        assert_eq!((*size_bytes, *file_count), (MAX_IMAGE_BYTES + 100, tree.len()));
    }

    #[test]
    fn an_archive_holds_what_the_tree_holds() {
        let mut tree = FileTree::default();
        tree.add_text("/etc/hosts", "127.0.0.1 localhost\n");
        tree.add_symlink("/bin/python", "python3.11");
        tree.add_dir("/tmp");
        let bytes = pack(&tree).expect("small");
        assert_eq!(pack(&tree).expect("small"), bytes);

        let archive = Archive::parse(&bytes).expect("well formed");
        archive.check().expect("well formed");
        let file = archive.lookup_path(b"/etc/hosts").expect("well formed").expect("there");
        assert_eq!((file.mode, file.mtime_s), (0o644, MODIFIED_S));
        assert_eq!(archive.data(file.id).expect("a file"), b"127.0.0.1 localhost\n");
        let link = archive.lookup_path(b"/bin/python").expect("well formed").expect("there");
        assert_eq!(archive.link_target(link.id).expect("a link"), b"python3.11");
    }
}
