//! Snapshots as files.
//!
//! ```text
//! tar
//!     manifest.sha256      of the next member, as hexadecimal digits
//!     manifest.json        the manifest, and size and SHA-256 of every other member
//!     vm/...               see `vm`
//! ```
//!
//! Guarantees: a file appears complete, readable by its owner alone; what is loaded has the digests that the file
//! says, and is held where nobody else can change it.
//! SECURITY: digests tell damage, not intent: whoever wrote the file also wrote them. What is loaded is as hostile as a
//! guest, and every byte of it is treated so; who wants more gives the digest that `save` returned.
//! Never: writes outside of the file it was told, and a directory of its own.
//!
//! Before: `snapshot`. After: the file system, `vm`.

#![expect(clippy::disallowed_methods, reason = "this module reads and writes the file that the caller names")]

use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tar::{Archive, Builder, EntryType, Header};

use super::{Manifest, Snapshot};
use crate::error::SnapshotError;
use crate::hex;
use crate::image;
use crate::members::{self, Member};
use crate::vm::VmSnapshot;

const SEAL: &str = "manifest.sha256";
const MANIFEST: &str = "manifest.json";
const VM_DIR: &str = "vm";
/// Nobody but the owner: a snapshot holds all that its guest knew.
const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;
/// Longest manifest. What the guest printed is in it, and the arguments and results of calls.
const MAX_MANIFEST_BYTES: u64 = 128 << 20;
/// Most bytes and members of a VM's files: memory of the largest class, and an image of a gibibyte.
const MAX_VM_BYTES: u64 = 2 << 30;
const MAX_VM_FILES: usize = 64;
const COPY_BYTES: usize = 256 << 10;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    manifest: Manifest,
    files: Vec<Member>,
}

impl Snapshot {
    /// Writes the snapshot to a file, in place of any that is there. Takes about half a second for 50 MB.
    ///
    /// Returns the file's SHA-256 as hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Write`]; [`SnapshotError::TooLong`] if the run holds more than a file may.
    pub fn save(&self, path: &Path) -> Result<String, SnapshotError> {
        let failed = |source| SnapshotError::Write { path: path.to_owned(), source };
        let vm_dir = private_dir().map_err(failed)?;
        let vm_root = vm_dir.path().join(VM_DIR);
        self.vm.save(&vm_root).map_err(|error| failed(io::Error::other(error.to_string())))?;
        let files = members::list(vm_dir.path(), VM_DIR).map_err(failed)?;
        let contents = Contents { manifest: self.manifest.clone(), files };
        let manifest = serde_json::to_vec(&contents).map_err(|error| failed(error.into()))?;
        let len_bytes = u64::try_from(manifest.len()).unwrap_or(u64::MAX);
        if len_bytes > MAX_MANIFEST_BYTES {
            return Err(SnapshotError::TooLong { what: MANIFEST, len_bytes, max_bytes: MAX_MANIFEST_BYTES });
        }
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(FILE_MODE))
            .tempfile_in(parent)
            .map_err(failed)?;
        let mut tar = Builder::new(Hashing::new(file.as_file_mut()));
        let written = append(&mut tar, SEAL, hex::encode(&Sha256::digest(&manifest)).as_bytes())
            .and_then(|()| append(&mut tar, MANIFEST, &manifest))
            .and_then(|()| {
                contents.files.iter().try_for_each(|member| {
                    let mut source = File::open(vm_dir.path().join(&member.path))?;
                    tar.append_data(&mut header(member.len_bytes), &member.path, &mut source)
                })
            });
        let hashing = written.and_then(|()| tar.into_inner()).map_err(failed)?;
        let digest = hashing.digest();
        file.as_file().sync_all().map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(digest)
    }

    /// Reads a snapshot from a file. Its contents are copied, so that the file may change afterwards.
    ///
    /// `digest` is what `save` returned: a file of another one is refused.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Read`]; [`SnapshotError::OtherDigest`]; [`SnapshotError::Damaged`] for anything that `save` does
    /// not write; [`SnapshotError::OtherVersion`], [`SnapshotError::OtherProcessor`].
    pub fn load(path: &Path, digest: Option<&str>) -> Result<Self, SnapshotError> {
        let failed = |source| SnapshotError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(failed(io::Error::other("it is no regular file")));
        }
        if let Some(expected) = digest {
            let mut hash = Sha256::new();
            io::copy(&mut BufReader::with_capacity(COPY_BYTES, &file), &mut hash).map_err(failed)?;
            let found = hex::encode(&hash.finalize());
            if !found.eq_ignore_ascii_case(expected) {
                return Err(SnapshotError::OtherDigest { found, expected: expected.to_owned() });
            }
            io::Seek::rewind(&mut &file).map_err(failed)?;
        }
        let vm_dir = private_dir().map_err(failed)?;
        let manifest = read(&file, vm_dir.path())?;
        let scratch_bytes = image::scratch_bytes(manifest.base.memory_bytes)
            .ok_or_else(|| SnapshotError::Damaged { detail: "no VM serves its memory".to_owned() })?;
        // The files are mapped: they live on without their names.
        let vm = VmSnapshot::load_untrusted(&vm_dir.path().join(VM_DIR), scratch_bytes)
            .map_err(|error| SnapshotError::Damaged { detail: error.to_string() })?;
        Ok(Self { vm, manifest })
    }
}

/// Unpacks a file's VM below a directory, and returns its manifest, checked.
fn read(file: &File, root: &Path) -> Result<Manifest, SnapshotError> {
    let mut archive = Archive::new(BufReader::with_capacity(COPY_BYTES, file));
    // Raw: no member may give another one a name or a size.
    let mut entries = archive.entries().map_err(damaged)?.raw(true);
    let mut next = |name: &str, max_bytes: u64| -> Result<_, SnapshotError> {
        let entry = match entries.next() {
            Some(entry) => entry.map_err(damaged)?,
            None => return Err(SnapshotError::Damaged { detail: format!("it ends before {name}") }),
        };
        let is_it =
            entry.path_bytes() == name.as_bytes() && entry.header().entry_type() == EntryType::Regular;
        if !is_it {
            let found = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            return Err(SnapshotError::Damaged { detail: format!("it has {found:?} in place of {name}") });
        }
        if entry.size() > max_bytes {
            let len_bytes = entry.size();
            return Err(SnapshotError::TooLong { what: "a member of the file", len_bytes, max_bytes });
        }
        Ok(entry)
    };
    let mut seal = String::new();
    next(SEAL, 64)?.read_to_string(&mut seal).map_err(damaged)?;
    let mut bytes = Vec::new();
    next(MANIFEST, MAX_MANIFEST_BYTES)?.read_to_end(&mut bytes).map_err(damaged)?;
    if hex::encode(&Sha256::digest(&bytes)) != seal {
        return Err(SnapshotError::Damaged { detail: format!("{MANIFEST} does not match its digest") });
    }
    let contents: Contents = serde_json::from_slice(&bytes).map_err(|error| damaged(error.into()))?;
    drop(bytes);
    contents.manifest.check()?;
    if contents.files.len() > MAX_VM_FILES {
        let detail = format!("it has {} files, which exceeds {MAX_VM_FILES}", contents.files.len());
        return Err(SnapshotError::Damaged { detail });
    }
    let mut left_bytes = MAX_VM_BYTES;
    for member in &contents.files {
        let target = root.join(below(&member.path)?);
        let Some(rest) = left_bytes.checked_sub(member.len_bytes) else {
            let (what, len_bytes) = ("the VM", member.len_bytes);
            return Err(SnapshotError::TooLong { what, len_bytes, max_bytes: left_bytes });
        };
        left_bytes = rest;
        let mut entry = next(&member.path, member.len_bytes)?;
        let write = |source| SnapshotError::Write { path: target.clone(), source };
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(write)?;
        }
        let mut copy = Hashing::new(File::create_new(&target).map_err(write)?);
        let copied = io::copy(&mut entry, &mut copy).map_err(damaged)?;
        if copied != member.len_bytes || copy.digest() != member.sha256 {
            return Err(SnapshotError::Damaged {
                detail: format!("{} does not match its digest", member.path),
            });
        }
    }
    Ok(contents.manifest)
}

/// Returns the path of a VM's file, which must stay below the directory.
fn below(path: &str) -> Result<PathBuf, SnapshotError> {
    let given = Path::new(path);
    let is_below = given.components().all(|part| matches!(part, Component::Normal(_)));
    if is_below && given.starts_with(VM_DIR) && path.len() <= 100 && !path.contains('\0') {
        Ok(given.to_owned())
    } else {
        Err(SnapshotError::Damaged { detail: format!("it names a file {path:?}") })
    }
}

fn damaged(error: io::Error) -> SnapshotError {
    SnapshotError::Damaged { detail: error.to_string() }
}

fn private_dir() -> io::Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("hypercell-snapshot-")
        .permissions(Permissions::from_mode(DIR_MODE))
        .tempdir()
}

fn header(len_bytes: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_size(len_bytes);
    header.set_mode(FILE_MODE);
    header
}

fn append<W: Write>(tar: &mut Builder<W>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let len_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    tar.append_data(&mut header(len_bytes), name, bytes)
}

/// Hashes what goes through it.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new() }
    }

    fn digest(self) -> String {
        hex::encode(&self.hash.finalize())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or(bytes));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
