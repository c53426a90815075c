//! Byte code that is kept between builds: compiling takes half of a build, and most sources are in every image.
//!
//! ```text
//! <cache>/bytecode/<key>     SHA-256 of the rest, 32 bytes; then what is in the .pyc file
//! ```
//!
//! Guarantees: what is found was compiled from this source, for this path, by this version of the compiler; a file that
//! was torn or altered counts as absent, and is written anew.
//! SECURITY: who can write to the cache decides what runs, here as with the images beside it (`cache`); the digest finds
//! damage, not intent.
//! Never: holds what an image needs to start. Images have copies, so any file of it may go at any time; builds of one
//! cache write to it one after the other (`cache::BuildLock`).
//!
//! Before: `bytecode`. After: the file system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::bytecode::COMPILE;
use super::discover::Interpreter;
use crate::hex;

const DIR: &str = "bytecode";
const FILE_MODE: u32 = 0o600;
const SEAL_BYTES: usize = 32;

/// The byte code of one interpreter's compiler in a cache.
#[derive(Debug)]
pub(crate) struct Compiled {
    dir: PathBuf,
    /// What decides byte code besides source and path.
    compiler: [String; 3],
}

impl Compiled {
    /// Takes what `cache_dir` has. Nothing is made before there is something to keep.
    pub(crate) fn new(cache_dir: &Path, interpreter: &Interpreter) -> Self {
        let compiler = [COMPILE.to_owned(), interpreter.version_text(), interpreter.bytecode_magic.clone()];
        Self { dir: cache_dir.join(DIR), compiler }
    }

    /// Returns the name of the byte code of a source at a path of the guest.
    pub(crate) fn key(&self, guest_path: &str, source: &[u8]) -> String {
        let mut hash = Sha256::new();
        let compiler = self.compiler.iter().map(String::as_bytes);
        for field in compiler.chain([guest_path.as_bytes(), source]) {
            hash.update(u64::try_from(field.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(field);
        }
        hex::encode(&hash.finalize())
    }

    /// Returns byte code that was kept, and notes that it is used.
    pub(crate) fn find(&self, key: &str) -> Option<Vec<u8>> {
        let path = self.dir.join(key);
        let mut bytes = fs::read(&path).ok()?;
        let (seal, code) = bytes.split_at_checked(SEAL_BYTES)?;
        if Sha256::digest(code).as_slice() != seal {
            return None;
        }
        // Only what decides when it is removed.
        let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        bytes.drain(..SEAL_BYTES);
        Some(bytes)
    }

    /// Keeps byte code. Where that fails the next build compiles again.
    pub(crate) fn keep(&self, key: &str, code: &[u8]) -> io::Result<()> {
        super::cache::make_dir(&self.dir)?;
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(FILE_MODE)
            .open(self.dir.join(key))?;
        file.write_all(&Sha256::digest(code))?;
        file.write_all(code)
    }
}

/// Removes the byte code that no build has used for so long.
pub(crate) fn remove_unused(cache_dir: &Path, unused_for: Duration) {
    for (path, metadata) in files(cache_dir) {
        let is_unused = metadata.modified().is_ok_and(|time| super::cache::is_older(time, unused_for));
        if is_unused {
            // What cannot be removed costs space only.
            let _ = fs::remove_file(path);
        }
    }
}

/// Returns the bytes of all byte code that is kept.
pub(crate) fn size_bytes(cache_dir: &Path) -> u64 {
    files(cache_dir).map(|(_, metadata)| metadata.len()).sum()
}

fn files(cache_dir: &Path) -> impl Iterator<Item = (PathBuf, fs::Metadata)> {
    let entries = fs::read_dir(cache_dir.join(DIR)).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let is_ours = hex::is_sha256(entry.file_name().to_str()?);
        is_ours.then_some((entry.path(), entry.metadata().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &[u8] = b"x = 1\n";

    fn compiled(cache_dir: &Path, version: &str) -> Compiled {
        let compiler = ["script", version, "magic"].map(str::to_owned);
        Compiled { dir: cache_dir.join(DIR), compiler }
    }

    fn set_unused(cache_dir: &Path, key: &str, unused_for: Duration) {
        let file = File::open(cache_dir.join(DIR).join(key)).expect("kept");
        file.set_modified(SystemTime::now() - unused_for).expect("own file");
    }

    #[test]
    fn byte_code_is_found_for_its_source_path_and_compiler_only() {
        let cache = tempfile::tempdir().expect("temporary directory");
        let (kept, other) = (compiled(cache.path(), "3.11.7"), compiled(cache.path(), "3.11.8"));
        let key = kept.key("/a.py", SOURCE);
        assert_eq!(kept.find(&key), None);
        kept.keep(&key, b"code").expect("writable");
        assert_eq!(kept.find(&key).as_deref(), Some(b"code".as_slice()));
        assert_eq!(size_bytes(cache.path()), 36);
        for stranger in [kept.key("/b.py", SOURCE), kept.key("/a.py", b"x = 2\n"), other.key("/a.py", SOURCE)]
        {
            assert_eq!(kept.find(&stranger), None);
        }
        assert_ne!(kept.key("/a", b".pyx"), kept.key("/a.py", b"x"));
    }

    #[test]
    fn torn_and_altered_byte_code_is_absent_until_it_is_written_anew() {
        let cache = tempfile::tempdir().expect("temporary directory");
        let kept = compiled(cache.path(), "3.11.7");
        let key = kept.key("/a.py", SOURCE);
        kept.keep(&key, b"code").expect("writable");
        let file = cache.path().join(DIR).join(&key);
        let whole = fs::read(&file).expect("kept");
        let mut altered = whole.clone();
        *altered.last_mut().expect("not empty") ^= 1;
        for damaged in [b"".as_slice(), &whole[..20], &whole[..34], &altered] {
            fs::write(&file, damaged).expect("writable");
            assert_eq!(kept.find(&key), None, "{damaged:?}");
        }
        kept.keep(&key, b"code").expect("writable");
        assert_eq!(kept.find(&key).as_deref(), Some(b"code".as_slice()));
    }

    #[test]
    fn what_no_build_used_for_so_long_is_removed_and_nothing_else() {
        let cache = tempfile::tempdir().expect("temporary directory");
        let kept = compiled(cache.path(), "3.11.7");
        let [old, used, recent] = ["/old.py", "/used.py", "/recent.py"].map(|path| kept.key(path, SOURCE));
        let day = Duration::from_hours(24);
        for key in [&old, &used, &recent] {
            kept.keep(key, b"code").expect("writable");
            set_unused(cache.path(), key, if *key == recent { day / 2 } else { 2 * day });
        }
        let foreign = cache.path().join(DIR).join("notes");
        fs::write(&foreign, "").expect("writable");
        assert!(kept.find(&used).is_some());

        remove_unused(cache.path(), day);
        assert_eq!([&old, &used, &recent].map(|key| kept.find(key).is_some()), [false, true, true]);
        remove_unused(cache.path(), Duration::ZERO);
        assert_eq!(size_bytes(cache.path()), 0);
        assert!(foreign.exists());
    }
}
