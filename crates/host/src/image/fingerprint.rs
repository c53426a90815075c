//! Finds the digest of an image without reading the files behind it.
//!
//! A second process must reach its first result in tens of milliseconds, and hashing an environment takes hundreds.
//! So the builder leaves a key file behind: the digest, and the time stamps of what it came from.
//!
//! Guarantees: any change of the interpreter, its libraries, the directories of its standard library and packages,
//! the guest files, the settings or the processor leads back to the digest over all contents.
//! Never: notices that a file of the standard library or of a package was edited in place, without its directory
//! changing (`echo >> json/decoder.py`; editors and installers write a new file and rename it). Nor a change that
//! keeps inode, size and both time stamps. `Image::open` with another cache directory, or without the `keys`
//! directory in it, reads everything again.
//!
//! Before: `image`. After: `cache`.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What was asked for, as far as it can be known without running the interpreter.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) python: &'a Path,
    pub(crate) guest_dir: &'a Path,
    pub(crate) packages: &'a [String],
    pub(crate) warm: &'a [String],
    pub(crate) cpu: &'a str,
    pub(crate) engine: &'a str,
    /// `LD_LIBRARY_PATH` of this process, which decides what libraries the interpreter has.
    pub(crate) library_path: &'a str,
}

impl Request<'_> {
    /// Returns the name of the key file.
    pub(crate) fn key(&self) -> String {
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(bytes);
        };
        for text in [env!("CARGO_PKG_VERSION"), self.cpu, self.engine, self.library_path] {
            field(text.as_bytes());
        }
        for path in [self.python, self.guest_dir] {
            field(path.as_os_str().as_encoded_bytes());
        }
        for list in [self.packages, self.warm] {
            field(&u64::try_from(list.len()).unwrap_or(u64::MAX).to_le_bytes());
            list.iter().for_each(|item| field(item.as_bytes()));
        }
        hex::encode(&hash.finalize())
    }
}

/// What a path looked like.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    /// Inode, size, modification and change time in nanoseconds; `None` where there is nothing.
    seen: Option<(u64, u64, i128, i128)>,
}

impl Stamp {
    fn of(path: &Path) -> Stamp {
        let time = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        let seen = fs::metadata(path).ok().map(|found| {
            let size = if found.is_dir() { 0 } else { found.size() };
            let (modified, changed) =
                (time(found.mtime(), found.mtime_nsec()), time(found.ctime(), found.ctime_nsec()));
            (found.ino(), size, modified, changed)
        });
        Stamp { path: path.to_path_buf(), seen }
    }
}

/// The contents of a key file.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Fingerprint {
    digest: String,
    stamps: Vec<Stamp>,
}

impl Fingerprint {
    /// Notes what `paths` look like now. Take it before the files are read: a change in between then counts. With
    /// no path, `load` never takes the short cut.
    pub(crate) fn take(mut paths: Vec<PathBuf>) -> Fingerprint {
        paths.sort();
        paths.dedup();
        Fingerprint { digest: String::new(), stamps: paths.iter().map(|path| Stamp::of(path)).collect() }
    }

    /// Returns the digest, if everything looks as it did. A key file that cannot be read is as good as none.
    pub(crate) fn load(file: &Path) -> Option<String> {
        let fingerprint = Self::read(file).filter(|fingerprint| !fingerprint.stamps.is_empty())?;
        fingerprint.holds().then_some(fingerprint.digest)
    }

    /// Returns the digest of the image that the request would give again, for all that is known.
    pub(crate) fn wanted_by(file: &Path) -> Option<String> {
        Self::read(file).filter(Self::holds).map(|fingerprint| fingerprint.digest)
    }

    /// Returns the digest of the image that the request gave last, whatever has changed since.
    pub(crate) fn digest_in(file: &Path) -> Option<String> {
        Self::read(file).map(|fingerprint| fingerprint.digest)
    }

    fn read(file: &Path) -> Option<Fingerprint> {
        serde_json::from_slice(&fs::read(file).ok()?).ok()
    }

    fn holds(&self) -> bool {
        self.stamps.iter().all(|stamp| Stamp::of(&stamp.path) == *stamp)
    }

    /// Writes the key file, by way of a temporary one.
    pub(crate) fn save(mut self, digest: &str, file: &Path) -> io::Result<()> {
        digest.clone_into(&mut self.digest);
        let dir = file.parent().ok_or(io::ErrorKind::InvalidFilename)?;
        let temporary = tempfile::NamedTempFile::new_in(dir)?;
        serde_json::to_writer(&temporary, &self)?;
        temporary.persist(file)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_holds_until_a_watched_path_changes() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (watched, absent, key) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("key"));
        fs::write(&watched, "one").expect("writable");
        Fingerprint::take(vec![watched.clone(), absent.clone()]).save("d1", &key).expect("writable");
        assert_eq!(Fingerprint::load(&key).as_deref(), Some("d1"));

        fs::write(&absent, "").expect("writable");
        assert_eq!(Fingerprint::load(&key), None);
        assert_eq!(
            (Fingerprint::wanted_by(&key), Fingerprint::digest_in(&key)),
            (None, Some("d1".to_owned()))
        );
        fs::remove_file(&absent).expect("exists");
        assert_eq!(Fingerprint::load(&key).as_deref(), Some("d1"));

        fs::write(&watched, "two").expect("writable");
        assert_eq!(Fingerprint::load(&key), None);
    }

    #[test]
    fn a_damaged_key_file_is_as_good_as_none() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let key = dir.path().join("key");
        for text in ["", "{", r#"{"digest":"x","stamps":[]}"#] {
            fs::write(&key, text).expect("writable");
            assert_eq!(Fingerprint::load(&key), None);
        }
    }

    #[test]
    fn a_key_file_that_watches_nothing_is_no_short_cut_and_wants_its_image() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let key = dir.path().join("key");
        Fingerprint::take(Vec::new()).save("d1", &key).expect("writable");
        assert_eq!((Fingerprint::load(&key), Fingerprint::wanted_by(&key)), (None, Some("d1".to_owned())));
    }

    #[test]
    fn lists_do_not_run_into_each_other() {
        let (one, two) = (["a".to_owned(), "b".to_owned()], ["a".to_owned()]);
        let rest = ["b".to_owned()];
        let request = |packages, warm| Request {
            python: Path::new("/p"),
            guest_dir: Path::new("/g"),
            packages,
            warm,
            cpu: "",
            engine: "",
            library_path: "",
        };
        assert_ne!(request(&one, &[]).key(), request(&two, &rest).key());
    }
}
