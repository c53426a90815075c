//! Has a new image's file share the disk with an older one, block by block, where the file system can do that.
//!
//! Half of an image is in most others of its interpreter. File systems that copy on write (XFS, btrfs) can keep equal
//! blocks of two files once, and count who uses them: the files stay independent, may be changed and removed one without the
//! other, and are read as before.
//!
//! Guarantees: the new file's contents stay as they are. Never: changes the older file, or does anything where
//! blocks cannot be shared (ext4, tmpfs).
//!
//! Before: `cache`. After: the file system.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What file systems share is a multiple of their block, which is this or less.
const BLOCK_BYTES: usize = 4096;
const BLOCK: u64 = 4096;
/// Shorter runs of equal blocks are not worth an entry in the file system's tables.
const MIN_RUN_BYTES: u64 = 4 * BLOCK;

/// Whether the file system of a directory can share blocks of two files.
pub(crate) fn is_possible(dir: &Path) -> io::Result<bool> {
    let (one, other) = (tempfile::tempfile_in(dir)?, tempfile::tempfile_in(dir)?);
    Ok(rustix::fs::ioctl_ficlone(&other, &one).is_ok())
}

/// Writes `newer` anew, with what it has in common with `older` shared. Returns how many bytes that are.
///
/// Anew, and not in its place: where a part of what was written at once is replaced, btrfs keeps all of it.
pub(crate) fn share(older: &Path, newer: &Path) -> io::Result<u64> {
    let dir = newer.parent().ok_or(io::ErrorKind::InvalidFilename)?;
    let (older, source) = (File::open(older)?, File::open(newer)?);
    let target = tempfile::NamedTempFile::new_in(dir)?;
    let state = RandomState::new();
    let mut places = HashMap::new();
    for_each_block(&older, |offset, block| {
        places.entry(state.hash_one(block)).or_insert(offset);
        Ok(())
    })?;

    let mut shared_bytes = 0;
    let mut run = Run::default();
    let mut end = |run: Run| -> io::Result<()> {
        if run.len_bytes >= MIN_RUN_BYTES {
            shared_bytes += run.len_bytes;
            run.share(&older, target.as_file())
        } else {
            run.copy(&older, target.as_file())
        }
    };
    for_each_block(&source, |offset, block| {
        if run.len_bytes > 0 && is_at(&older, run.from + run.len_bytes, block)? {
            run.len_bytes += BLOCK;
            return Ok(());
        }
        end(std::mem::take(&mut run))?;
        match places.get(&state.hash_one(block)) {
            // A hash only says where to look.
            Some(&from) if is_at(&older, from, block)? => {
                run = Run { from, to: offset, len_bytes: BLOCK };
                Ok(())
            }
            _ => target.as_file().write_all_at(block, offset),
        }
    })?;
    end(run)?;
    target.as_file().sync_all()?;
    target.persist(newer)?;
    Ok(shared_bytes)
}

/// Blocks of the older file that the newer one has too.
#[derive(Default)]
struct Run {
    /// Where they begin in the older file.
    from: u64,
    /// Where they begin in the newer one.
    to: u64,
    len_bytes: u64,
}

impl Run {
    /// Has the kernel copy them, which shares them.
    fn share(&self, older: &File, target: &File) -> io::Result<()> {
        let (mut from, mut to, end) = (self.from, self.to, self.to + self.len_bytes);
        while to < end {
            let len = usize::try_from(end - to).unwrap_or(usize::MAX);
            // It moves both offsets on.
            if rustix::fs::copy_file_range(older, Some(&mut from), target, Some(&mut to), len)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    fn copy(&self, older: &File, target: &File) -> io::Result<()> {
        let mut bytes = vec![0; usize::try_from(self.len_bytes).map_err(io::Error::other)?];
        older.read_exact_at(&mut bytes, self.from)?;
        target.write_all_at(&bytes, self.to)
    }
}

/// Reads a file from its beginning, block by block with the offset of each. The last one may be shorter.
fn for_each_block(file: &File, mut visit: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut reader = io::BufReader::with_capacity(256 * BLOCK_BYTES, file);
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    let mut offset = 0;
    while reader.by_ref().take(BLOCK).read_to_end(&mut block)? > 0 {
        visit(offset, &block)?;
        offset += BLOCK;
        block.clear();
    }
    Ok(())
}

/// Whether a file has this whole block at an offset.
fn is_at(file: &File, offset: u64, block: &[u8]) -> io::Result<bool> {
    let mut found = [0; BLOCK_BYTES];
    match file.read_exact_at(&mut found, offset) {
        Ok(()) => Ok(found == block),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Blocks of these bytes, and a tail.
    fn file(dir: &Path, name: &str, blocks: &[u8], tail: &[u8]) -> std::path::PathBuf {
        let mut bytes: Vec<u8> = blocks.iter().flat_map(|&byte| [byte; BLOCK_BYTES]).collect();
        bytes.extend_from_slice(tail);
        let path = dir.join(name);
        fs::write(&path, bytes).expect("writable");
        path
    }

    /// Shares two files and returns how many blocks that found, after a look at both.
    fn shared(older: (&[u8], &[u8]), newer: (&[u8], &[u8])) -> u64 {
        let dir = tempfile::tempdir().expect("temporary directory");
        let older = file(dir.path(), "older", older.0, older.1);
        let newer = file(dir.path(), "newer", newer.0, newer.1);
        let before = (fs::read(&older).expect("there"), fs::read(&newer).expect("there"));
        let bytes = share(&older, &newer).expect("readable and writable");
        assert_eq!((fs::read(&older).expect("there"), fs::read(&newer).expect("there")), before);
        bytes / BLOCK
    }

    #[test]
    fn runs_are_found_wherever_they_are_in_either_file() {
        assert_eq!(shared((b"abcdefgh", b""), (b"abcdefgh", b"")), 8);
        assert_eq!(shared((b"abcdefgh", b""), (b"xefghyyabcd", b"")), 8);
        assert_eq!(shared((b"abcdefgh", b"t"), (b"ghxabcdeyy", b"tail")), 5);
        assert_eq!(shared((b"aaaaaa", b""), (b"aaaaaaaaa", b"")), 6);
    }

    #[test]
    fn short_runs_and_ends_that_are_no_block_stay() {
        assert_eq!(shared((b"abc", b""), (b"abc", b"")), 0);
        assert_eq!(shared((b"", b"tail"), (b"", b"tail")), 0);
        assert_eq!(shared((b"abcdx", b""), (b"abcyz", b"")), 0);
        assert_eq!(shared((b"", b""), (b"abcd", b"")), 0);
    }

    #[test]
    fn asking_whether_blocks_can_be_shared_leaves_nothing_behind() {
        let dir = tempfile::tempdir().expect("temporary directory");
        is_possible(dir.path()).expect("writable");
        assert_eq!(fs::read_dir(dir.path()).expect("there").count(), 0);
    }
}
