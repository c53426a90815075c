//! The directory that keeps built images.
//!
//! ```text
//! <cache>/build.lock            held while an image is built: two processes build it once
//! <cache>/keys/<request>.json   see `fingerprint`
//! <cache>/bytecode/<key>        see `compiled`
//! <cache>/images/<digest>/      one image; appears complete, by a rename
//!     image.json                what it is, with the size and digest of every other file
//!     snapshot/                 see `vm`
//! <cache>/images/.tmp-*         left by a build that was killed; the next build removes it
//! ```
//!
//! Guarantees: an entry is complete or not there; a damaged one is noticed and built again.
//! SECURITY: a snapshot decides what runs in every sandbox made from it, so the directory is trusted like
//! the program itself: it must belong to this user or to root, and nobody else may write to it. The contents of an
//! entry are not hashed at each start (sizes are checked; [`verify`] reads everything).
//! Never: deletes anything it did not make.
//!
//! Before: `image`. After: the file system.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::error::ImageError;
use super::fingerprint::Fingerprint;
use super::share;
use crate::hex;
use crate::members::{self, Member};

const METADATA_FILE: &str = "image.json";
pub(super) const SNAPSHOT_DIR: &str = "snapshot";
const TEMPORARY_PREFIX: &str = ".tmp-";
/// Nobody but the owner.
const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Write permission for group or others.
const FOREIGN_WRITE_BITS: u32 = 0o022;
/// How often a process that waits for another one's build looks again.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// What an entry is.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct Metadata {
    /// Name of the entry, 64 hexadecimal digits.
    pub digest: String,
    /// Version of hypercell that built it.
    pub hypercell: String,
    /// Version of the wire between host and guest.
    pub abi: u16,
    /// `3.11.7`.
    pub python_version: String,
    /// Name and version of each packed distribution.
    pub packages: Vec<(String, String)>,
    /// Modules imported before the snapshot.
    pub warm: Vec<String>,
    /// Modules that could not be imported in the guest, with the message.
    pub warm_failed: Vec<(String, String)>,
    /// Compiled modules whose libraries are not installed on the host, with the library.
    pub unloadable: Vec<(String, String)>,
    /// Bytes of the file system in the guest.
    pub archive_bytes: u64,
    /// Largest memory limit that the image serves.
    pub memory_bytes: u64,
    /// Milliseconds that its build took, where it was built.
    pub build_ms: u64,
    /// Whether it came as a file.
    pub is_imported: bool,
    /// What the processor can do that it was started on, see `cpu`.
    pub cpu: String,
    /// Memory layout and other constants of the engine, as text.
    pub(super) engine: String,
    /// Every other file of the entry.
    pub(super) files: Vec<Member>,
}

impl Metadata {
    /// Returns the bytes of all files of the entry.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.len_bytes).sum()
    }
}

/// The metadata file: a checksum over the rest.
#[derive(Debug, Deserialize, Serialize)]
struct Sealed {
    sha256: String,
    metadata: Metadata,
}

/// An entry whose files are all there.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) dir: PathBuf,
    pub(crate) metadata: Metadata,
}

impl Entry {
    pub(crate) fn snapshot_dir(&self) -> PathBuf {
        self.dir.join(SNAPSHOT_DIR)
    }
}

/// What was found under a digest.
#[derive(Debug)]
pub(crate) enum Lookup {
    Found(Box<Entry>),
    Absent,
    /// The entry is there and not as it was built, with what is wrong.
    Damaged(String),
}

/// A cache directory that may be used.
#[derive(Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// The right to build. Ends when it is dropped, or with the process.
#[derive(Debug)]
pub(crate) struct BuildLock {
    _file: File,
}

impl Cache {
    /// Opens the directory, making it if it is not there.
    ///
    /// # Errors
    ///
    /// [`ImageError::Cache`] where it cannot be made, belongs to somebody else, or others may write to it.
    pub(crate) fn open(root: &Path) -> Result<Cache, ImageError> {
        let refuse = |detail: String| ImageError::Cache { path: root.to_path_buf(), detail };
        if !root.is_absolute() {
            return Err(refuse("it is not an absolute path".to_owned()));
        }
        let found = match fs::metadata(root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_dir(root).map_err(|error| refuse(error.to_string()))?;
                fs::metadata(root)
            }
            other => other,
        };
        let found = found.map_err(|error| refuse(error.to_string()))?;
        if !found.is_dir() {
            return Err(refuse("it is not a directory".to_owned()));
        }
        let user = rustix::process::geteuid().as_raw();
        if found.uid() != user && found.uid() != 0 {
            return Err(refuse(format!(
                "it belongs to user {} and this process is user {user}",
                found.uid()
            )));
        }
        if found.mode() & FOREIGN_WRITE_BITS != 0 {
            return Err(refuse(format!(
                "others may write to it (mode {:03o}), and what is in it is trusted",
                found.mode() & 0o777
            )));
        }
        Ok(Cache { root: root.to_path_buf() })
    }

    /// Returns the directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns where the key file of a request is.
    pub(crate) fn key_file(&self, key: &str) -> PathBuf {
        self.keys().join(format!("{key}.json"))
    }

    /// Makes the directory of key files.
    pub(crate) fn make_key_dir(&self) -> io::Result<()> {
        make_dir(&self.keys())
    }

    /// Returns the digests of the images that requests would give again.
    pub(crate) fn wanted(&self) -> HashSet<String> {
        self.key_files().filter_map(|path| Fingerprint::wanted_by(&path)).collect()
    }

    /// Opens an entry for as long as the answer lives, in which nobody can claim it. `None` if it is not there, and where
    /// the file system has no locks.
    pub(crate) fn hold(&self, digest: &str) -> Option<File> {
        let file = File::open(self.entry_dir(digest).join(METADATA_FILE)).ok()?;
        file.lock_shared().ok()?;
        Some(file)
    }

    /// Claims an entry that no process holds; who wants to hold it waits until the answer is dropped.
    pub(crate) fn claim(&self, digest: &str) -> Option<File> {
        let file = File::open(self.entry_dir(digest).join(METADATA_FILE)).ok()?;
        file.try_lock().ok()?;
        Some(file)
    }

    /// Looks at every entry, in the order of their digests.
    pub(crate) fn entries(&self) -> Vec<(String, Lookup)> {
        let Ok(found) = fs::read_dir(self.images()) else { return Vec::new() };
        let names = found.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut digests: Vec<String> = names.filter(|name| hex::is_sha256(name)).collect();
        digests.sort();
        digests
            .into_iter()
            .map(|digest| {
                let found = self.look_up(&digest);
                (digest, found)
            })
            .collect()
    }

    /// Notes that an entry is used now. A cache that cannot be written stays as it is.
    pub(crate) fn touch(&self, entry: &Entry) {
        let _ =
            File::open(entry.dir.join(METADATA_FILE)).and_then(|file| file.set_modified(SystemTime::now()));
    }

    /// Returns when an entry was last used.
    pub(crate) fn last_used(&self, digest: &str) -> Option<SystemTime> {
        fs::metadata(self.entry_dir(digest).join(METADATA_FILE)).ok()?.modified().ok()
    }

    /// Removes an entry, and what leads to it. Processes that have it open keep their mappings of it.
    ///
    /// # Errors
    ///
    /// [`ImageError::Cache`] where it cannot be removed.
    pub(crate) fn remove(&self, lock: &BuildLock, digest: &str) -> Result<(), ImageError> {
        let dir = self.images().join(digest);
        let refuse = |error: io::Error| ImageError::Cache { path: dir.clone(), detail: error.to_string() };
        let old = self.staging(lock)?;
        fs::rename(&dir, old.path().join("removed")).map_err(refuse)?;
        for key in self.key_files() {
            if Fingerprint::digest_in(&key).is_some_and(|named| named == digest) {
                // One that leads nowhere costs space only.
                let _ = fs::remove_file(key);
            }
        }
        old.close().map_err(refuse)
    }

    /// Returns the directory of an entry.
    pub(crate) fn entry_dir(&self, digest: &str) -> PathBuf {
        self.images().join(digest)
    }

    fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    fn key_files(&self) -> impl Iterator<Item = PathBuf> {
        fs::read_dir(self.keys()).into_iter().flatten().flatten().map(|entry| entry.path())
    }

    /// Looks an image up by its digest. Reads `image.json` and the sizes of the files it names.
    pub(crate) fn look_up(&self, digest: &str) -> Lookup {
        let dir = self.images().join(digest);
        if !dir.is_dir() {
            return Lookup::Absent;
        }
        match read_metadata(&dir) {
            Ok(metadata) if metadata.digest == digest => Lookup::Found(Box::new(Entry { dir, metadata })),
            Ok(metadata) => Lookup::Damaged(format!("it holds image {}", metadata.digest)),
            Err(detail) => Lookup::Damaged(detail),
        }
    }

    /// Waits until no other process builds, calling `wait` every now and then, and removes what killed builds left.
    ///
    /// # Errors
    ///
    /// [`ImageError::Cache`] where the directory is not writable, [`ImageError::Cancelled`] where `wait` says so.
    pub(crate) fn lock(&self, mut wait: impl FnMut() -> ControlFlow<()>) -> Result<BuildLock, ImageError> {
        let path = self.root.join("build.lock");
        let refuse = |error: io::Error| ImageError::Cache { path: path.clone(), detail: error.to_string() };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(refuse)?;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    if wait().is_break() {
                        return Err(ImageError::Cancelled);
                    }
                    thread::sleep(LOCK_POLL);
                }
                Err(TryLockError::Error(error)) => return Err(refuse(error)),
            }
        }
        self.remove_leftovers();
        Ok(BuildLock { _file: file })
    }

    fn remove_leftovers(&self) {
        let Ok(entries) = fs::read_dir(self.images()) else { return };
        for entry in entries.filter_map(Result::ok) {
            if entry.file_name().as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes()) {
                // What cannot be removed costs space only.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Makes a temporary directory for a build, on the same file system as the entries.
    ///
    /// # Errors
    ///
    /// [`ImageError::Cache`] where the directory is not writable.
    pub(crate) fn staging(&self, _lock: &BuildLock) -> Result<TempDir, ImageError> {
        let images = self.images();
        make_dir(&images)
            .and_then(|()| {
                tempfile::Builder::new()
                    .prefix(TEMPORARY_PREFIX)
                    .permissions(Permissions::from_mode(DIR_MODE))
                    .tempdir_in(&images)
            })
            .map_err(|error| ImageError::Cache { path: images.clone(), detail: error.to_string() })
    }

    /// Makes an entry's directory and lets `save` fill its snapshot.
    ///
    /// # Errors
    ///
    /// [`ImageError::Cache`] where a file cannot be written.
    pub(crate) fn save_into(
        &self,
        entry_dir: &Path,
        save: impl FnOnce(&Path) -> Result<(), String>,
    ) -> Result<(), ImageError> {
        make_dir(entry_dir)
            .map_err(|error| error.to_string())
            .and_then(|()| save(&entry_dir.join(SNAPSHOT_DIR)))
            .map_err(|detail| ImageError::Cache { path: entry_dir.to_path_buf(), detail })
    }

    /// Lists the files of a directory whose `snapshot` is complete, and writes them through to the disk.
    ///
    /// # Errors
    ///
    /// [`ImageError::Cache`] where one cannot be read or written.
    pub(crate) fn settle(&self, built: &Path) -> Result<Vec<Member>, ImageError> {
        let refuse =
            |error: io::Error| ImageError::Cache { path: built.to_path_buf(), detail: error.to_string() };
        let files = members::list(built, SNAPSHOT_DIR).map_err(refuse)?;
        files.iter().try_for_each(|file| keep(built, file)).map_err(refuse)?;
        Ok(files)
    }

    /// Seals a directory whose files `metadata` names, and makes it the entry of its digest, in place of a damaged one.
    ///
    /// # Errors
    ///
    /// [`ImageError::Cache`] where a file cannot be written or renamed.
    pub(crate) fn publish(
        &self,
        lock: &BuildLock,
        built: &Path,
        metadata: Metadata,
    ) -> Result<Entry, ImageError> {
        let dir = self.images().join(&metadata.digest);
        let refuse = |error: io::Error| ImageError::Cache { path: dir.clone(), detail: error.to_string() };
        // What is not shared costs space only.
        let _ = self.share(built, &metadata);
        let sealed = Sealed { sha256: seal(&metadata), metadata: metadata.clone() };
        let text = serde_json::to_vec_pretty(&sealed).map_err(|error| refuse(error.into()))?;
        fs::write(built.join(METADATA_FILE), text).map_err(refuse)?;
        make_private(&built.join(METADATA_FILE), FILE_MODE).map_err(refuse)?;
        File::open(built.join(METADATA_FILE)).and_then(|file| file.sync_all()).map_err(refuse)?;
        if dir.exists() {
            // Processes that have the old entry open keep their mappings of it.
            let old = self.staging(lock)?;
            fs::rename(&dir, old.path().join("damaged")).map_err(refuse)?;
        }
        fs::rename(built, &dir).map_err(refuse)?;
        File::open(self.images()).and_then(|images| images.sync_all()).map_err(refuse)?;
        Ok(Entry { dir, metadata })
    }

    /// Has a directory that is to become an entry share the disk with the entry that is most like it. Its contents stay.
    fn share(&self, built: &Path, metadata: &Metadata) -> io::Result<()> {
        if !share::is_possible(built)? {
            return Ok(());
        }
        let like = self.most_like(metadata);
        if let (Some(like), Some(newer)) = (like, memory_of(metadata))
            && let Some(older) = memory_of(&like.metadata)
        {
            share::share(&like.dir.join(&older.path), &built.join(&newer.path))?;
        }
        Ok(())
    }

    /// Returns the entry that has most in common with an image, and of several the one with least besides.
    fn most_like(&self, metadata: &Metadata) -> Option<Box<Entry>> {
        let likeness = |entry: &Metadata| {
            let common = entry.packages.iter().filter(|package| metadata.packages.contains(package)).count();
            (entry.python_version == metadata.python_version, common, Reverse(entry.packages.len()))
        };
        let entries = self.entries().into_iter().filter_map(|(_, found)| match found {
            Lookup::Found(entry) => Some(entry),
            Lookup::Absent | Lookup::Damaged(_) => None,
        });
        entries.max_by_key(|entry| likeness(&entry.metadata))
    }
}

/// Returns what is as good as all of an image: its memory, beside some kilobytes that describe it.
fn memory_of(metadata: &Metadata) -> Option<&Member> {
    metadata.files.iter().max_by_key(|file| file.len_bytes)
}

/// Reads all files of an entry and compares their digests.
///
/// # Errors
///
/// What differs, in words.
pub(crate) fn verify(entry: &Entry) -> Result<(), String> {
    for Member { path: name, sha256: expected, .. } in &entry.metadata.files {
        let (_, found) =
            members::digest(&entry.dir.join(name)).map_err(|error| format!("{name}: {error}"))?;
        if found != *expected {
            return Err(format!("{name} has SHA-256 {found}, not {expected}"));
        }
    }
    Ok(())
}

/// Makes a directory, and those above it, for this user alone.
pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(path)
}

/// Whether a time is at least so long ago.
pub(super) fn is_older(time: SystemTime, age: Duration) -> bool {
    // A time to come is not old: somebody has set the clock.
    time.elapsed().is_ok_and(|elapsed| elapsed >= age)
}

fn make_private(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

fn seal(metadata: &Metadata) -> String {
    // Serialising plain data to memory cannot fail; an empty text would not match any seal.
    hex::encode(&Sha256::digest(serde_json::to_vec(metadata).unwrap_or_default()))
}

fn read_metadata(dir: &Path) -> Result<Metadata, String> {
    let text = fs::read(dir.join(METADATA_FILE)).map_err(|error| format!("{METADATA_FILE}: {error}"))?;
    let sealed: Sealed =
        serde_json::from_slice(&text).map_err(|error| format!("{METADATA_FILE}: {error}"))?;
    if seal(&sealed.metadata) != sealed.sha256 {
        return Err(format!("{METADATA_FILE} does not match its checksum"));
    }
    for Member { path: name, len_bytes: size, .. } in &sealed.metadata.files {
        match fs::metadata(dir.join(name)) {
            Ok(found) if found.len() == *size => {}
            Ok(found) => return Err(format!("{name} has {} bytes, not {size}", found.len())),
            Err(error) => return Err(format!("{name}: {error}")),
        }
    }
    if sealed.metadata.files.is_empty() {
        return Err("it holds no snapshot".to_owned());
    }
    Ok(sealed.metadata)
}

/// Makes a file and its directories below `root` the user's alone, and writes it through to the disk: a rename must not
/// overtake it.
fn keep(root: &Path, file: &Member) -> io::Result<()> {
    let path = Path::new(&file.path);
    for dir in path.ancestors().skip(1).filter(|dir| *dir != Path::new("")) {
        make_private(&root.join(dir), DIR_MODE)?;
    }
    make_private(&root.join(path), FILE_MODE)?;
    File::open(root.join(path))?.sync_all()
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
