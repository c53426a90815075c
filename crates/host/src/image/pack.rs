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
/// The guest's address space and a snapshot on disk hold all of it. 4 GiB is four times the largest set of scientific
/// packages tried.
const MAX_IMAGE_BYTES: u64 = 4 << 30;

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
                let contents = source.contents()?;
                size_bytes = size_bytes.saturating_add(u64::try_from(contents.len()).unwrap_or(u64::MAX));
                if size_bytes > MAX_IMAGE_BYTES {
                    let detail = format!("more than {MAX_IMAGE_BYTES} bytes; choose fewer packages");
                    return Err(too_large(size_bytes, detail));
                }
                builder.add_file(path, node.mode(), MODIFIED_S, contents)
            }
        };
        added.map_err(|error: BuildError| too_large(size_bytes, error.to_string()))?;
    }
    builder.finish().map_err(|error| too_large(size_bytes, error.to_string()))
}

#[cfg(test)]
mod tests {
    use hypercell_abi::archive::Archive;

    use super::*;

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
