//! A manifest and files as one file: what a snapshot and an exported image are outside of this process.
//!
//! ```text
//! tar
//!     manifest.sha256      of the next member, as hexadecimal digits
//!     manifest.json        the manifest, and size and SHA-256 of every other member
//!     <directory>/...      the files
//! ```
//!
//! Guarantees: a file appears complete, readable by its owner alone; what is unpacked has the digests that the file
//! says, and lies where the caller said.
//! SECURITY: digests tell damage, not intent: whoever wrote the file also wrote them. What is unpacked is as hostile as
//! a guest, and every byte of it is treated so; who wants more gives the digest that `save` returned.
//! Never: writes outside of the file and the directory that it was told.
//!
//! Before: `snapshot::file`, `image`. After: the file system.

#![expect(clippy::disallowed_methods, reason = "this module reads and writes the file that the caller names")]

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::OFlags;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tar::{Archive, Builder, EntryType, Header};

use crate::hex;
use crate::limits::MAX_MEMORY_BYTES;
use crate::members::Member;

const SEAL: &str = "manifest.sha256";
const MANIFEST: &str = "manifest.json";
/// Nobody but the owner: a snapshot holds all that its guest knew.
const FILE_MODE: u32 = 0o600;
/// Longest manifest. What the guest printed may be in it, and the arguments and results of calls.
const MAX_MANIFEST_BYTES: u64 = 128 << 20;
/// Most bytes and members of the files: memory of the largest class, and an image of a gibibyte.
const MAX_FILES_BYTES: u64 = MAX_MEMORY_BYTES + (1 << 30);
const MAX_FILES: usize = 64;
/// More than the tar of the longest manifest and the longest files has.
const MAX_BYTES: u64 = MAX_MANIFEST_BYTES + MAX_FILES_BYTES + (1 << 20);
/// Longest path of a member that every tar has room for.
const MAX_PATH_BYTES: usize = 100;
const COPY_BYTES: usize = 256 << 10;

/// Why a file cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("cannot read the file {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write the file {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the file has SHA-256 {found}, not {expected}")]
    OtherDigest { found: String, expected: String },
    #[error("the file is damaged: {detail}")]
    Damaged { detail: String },
    #[error("{what} of {len_bytes} bytes exceeds {max_bytes}, the most that a file may hold")]
    TooLong { what: &'static str, len_bytes: u64, max_bytes: u64 },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents<M> {
    manifest: M,
    files: Vec<Member>,
}

/// Writes a manifest, and files below `root`, to a file, in place of any that is there.
///
/// Returns the file's SHA-256 as hexadecimal digits.
pub(crate) fn save<M: Serialize>(
    path: &Path,
    manifest: M,
    root: &Path,
    files: Vec<Member>,
) -> Result<String, FileError> {
    let failed = |source| FileError::Write { path: path.to_owned(), source };
    check_lengths(&files)?;
    let contents = Contents { manifest, files };
    let manifest = serde_json::to_vec(&contents).map_err(|error| failed(error.into()))?;
    let len_bytes = u64::try_from(manifest.len()).unwrap_or(u64::MAX);
    if len_bytes > MAX_MANIFEST_BYTES {
        return Err(FileError::TooLong { what: MANIFEST, len_bytes, max_bytes: MAX_MANIFEST_BYTES });
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
                let mut source = File::open(root.join(&member.path))?;
                tar.append_data(&mut header(member.len_bytes), &member.path, &mut source)
            })
        });
    let hashing = written.and_then(|()| tar.into_inner()).map_err(failed)?;
    let digest = hashing.digest();
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(digest)
}

/// A file that was opened for reading.
pub(crate) struct Sealed {
    file: File,
}

impl Sealed {
    /// Opens a regular file of a length that can be.
    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        let failed = |source| FileError::Read { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        // A named pipe would be waited for.
        options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let file = options.open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        if !found.is_file() {
            return Err(failed(io::Error::other("it is no regular file")));
        }
        if found.len() > MAX_BYTES {
            return Err(FileError::TooLong {
                what: "the file",
                len_bytes: found.len(),
                max_bytes: MAX_BYTES,
            });
        }
        Ok(Self { file })
    }

    /// Returns the SHA-256 of the whole file, as hexadecimal digits.
    pub(crate) fn digest(&self) -> Result<String, FileError> {
        let mut hash = Sha256::new();
        io::Seek::rewind(&mut &self.file)
            .and_then(|()| io::copy(&mut BufReader::with_capacity(COPY_BYTES, &self.file), &mut hash))
            .map_err(damaged)?;
        Ok(hex::encode(&hash.finalize()))
    }

    /// Checks the digest of the whole file, in any case of its letters, and returns it as `digest` does.
    pub(crate) fn expect(&self, digest: &str) -> Result<String, FileError> {
        let found = self.digest()?;
        if found.eq_ignore_ascii_case(digest) {
            Ok(found)
        } else {
            Err(FileError::OtherDigest { found, expected: digest.to_owned() })
        }
    }

    /// Unpacks the files below `root`, all of them in `directory`, and returns the manifest, which `check` must find in
    /// order before anything is unpacked.
    pub(crate) fn unpack<M: DeserializeOwned, E: From<FileError>>(
        &self,
        root: &Path,
        directory: &str,
        check: impl FnOnce(&M) -> Result<(), E>,
    ) -> Result<M, E> {
        io::Seek::rewind(&mut &self.file).map_err(damaged)?;
        let mut archive = Archive::new(BufReader::with_capacity(COPY_BYTES, &self.file));
        // Raw: no member may give another one a name or a size.
        let mut entries = archive.entries().map_err(damaged)?.raw(true);
        let mut next = |name: &str, max_bytes: u64| -> Result<_, FileError> {
            let entry = match entries.next() {
                Some(entry) => entry.map_err(damaged)?,
                None => return Err(FileError::Damaged { detail: format!("it ends before {name}") }),
            };
            let is_it =
                entry.path_bytes() == name.as_bytes() && entry.header().entry_type() == EntryType::Regular;
            if !is_it {
                let found = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                return Err(FileError::Damaged { detail: format!("it has {found:?} in place of {name}") });
            }
            if entry.size() > max_bytes {
                let len_bytes = entry.size();
                return Err(FileError::TooLong { what: "a member of the file", len_bytes, max_bytes });
            }
            Ok(entry)
        };
        let mut seal = String::new();
        next(SEAL, 64)?.read_to_string(&mut seal).map_err(damaged)?;
        let mut bytes = Vec::new();
        next(MANIFEST, MAX_MANIFEST_BYTES)?.read_to_end(&mut bytes).map_err(damaged)?;
        if hex::encode(&Sha256::digest(&bytes)) != seal {
            let detail = format!("{MANIFEST} does not match its digest");
            return Err(FileError::Damaged { detail }.into());
        }
        let contents: Contents<M> = serde_json::from_slice(&bytes).map_err(|error| damaged(error.into()))?;
        drop(bytes);
        check(&contents.manifest)?;
        check_files(&contents.files, directory)?;
        for member in &contents.files {
            let target = root.join(&member.path);
            let mut entry = next(&member.path, member.len_bytes)?;
            let write = |source| FileError::Write { path: target.clone(), source };
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).map_err(write)?;
            }
            let mut copy = Hashing::new(File::create_new(&target).map_err(write)?);
            let copied = copy_member(&mut entry, &mut copy, &target)?;
            if copied != member.len_bytes || copy.digest() != member.sha256 {
                let detail = format!("{} does not match its digest", member.path);
                return Err(FileError::Damaged { detail }.into());
            }
        }
        Ok(contents.manifest)
    }
}

/// Checks that the files stay below a directory and within the limits.
fn check_files(files: &[Member], directory: &str) -> Result<(), FileError> {
    if files.len() > MAX_FILES {
        let detail = format!("it has {} files, which exceeds {MAX_FILES}", files.len());
        return Err(FileError::Damaged { detail });
    }
    for (at, Member { path, .. }) in files.iter().enumerate() {
        let given = Path::new(path);
        let mut others = files.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| other);
        if others.any(|other| Path::new(&other.path).starts_with(given)) {
            return Err(FileError::Damaged {
                detail: format!("it names {path:?} twice, or as a directory too"),
            });
        }
        let is_below = given.components().all(|part| matches!(part, Component::Normal(_)));
        let is_name = path.len() <= MAX_PATH_BYTES && !path.contains('\0');
        if !is_below || !is_name || !given.starts_with(directory) {
            return Err(FileError::Damaged { detail: format!("it names a file {path:?}") });
        }
    }
    check_lengths(files)
}

/// Checks that the files together are no longer than a file may hold.
fn check_lengths(files: &[Member]) -> Result<(), FileError> {
    let len_bytes = files.iter().fold(0, |sum: u64, member| sum.saturating_add(member.len_bytes));
    if len_bytes > MAX_FILES_BYTES {
        return Err(FileError::TooLong { what: "the VM", len_bytes, max_bytes: MAX_FILES_BYTES });
    }
    Ok(())
}

/// Copies a member to `target`, and returns how long it was. A disk that is full is no damage of the file.
fn copy_member(entry: &mut impl Read, copy: &mut Hashing<File>, target: &Path) -> Result<u64, FileError> {
    let mut block = vec![0; COPY_BYTES];
    let mut copied = 0;
    loop {
        let len = entry.read(&mut block).map_err(damaged)?;
        let Some(read) = block.get(..len).filter(|read| !read.is_empty()) else { return Ok(copied) };
        copy.write_all(read).map_err(|source| FileError::Write { path: target.to_owned(), source })?;
        copied += u64::try_from(len).unwrap_or(u64::MAX);
    }
}

fn damaged(error: io::Error) -> FileError {
    FileError::Damaged { detail: error.to_string() }
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
