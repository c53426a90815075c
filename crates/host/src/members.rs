//! The files below a directory, with their sizes and digests: what an image and the file of a snapshot say they hold.
//!
//! Guarantees: sorted, so that equal directories give equal lists. Never: writes.
//!
//! Before: `image::cache`, `snapshot::file`. After: the file system.

#![expect(clippy::disallowed_methods, reason = "this module reads files that hypercell wrote")]

use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex;

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    /// Where it is, relative, with `/` between names.
    pub(crate) path: String,
    pub(crate) len_bytes: u64,
    /// SHA-256 as hexadecimal digits.
    pub(crate) sha256: String,
}

/// Lists the files below `root/name`, with paths from `root`.
pub(crate) fn list(root: &Path, name: &str) -> io::Result<Vec<Member>> {
    let mut members = Vec::new();
    let mut entries = fs::read_dir(root.join(name))?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let file_name = entry.file_name();
        let path = format!("{name}/{}", file_name.to_str().ok_or(io::ErrorKind::InvalidFilename)?);
        if entry.file_type()?.is_dir() {
            members.extend(list(root, &path)?);
        } else {
            let (len_bytes, sha256) = digest(&entry.path())?;
            members.push(Member { path, len_bytes, sha256 });
        }
    }
    Ok(members)
}

/// Returns the bytes of a file and their SHA-256, as hexadecimal digits.
pub(crate) fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let len_bytes = io::copy(&mut File::open(path)?, &mut hash)?;
    Ok((len_bytes, hex::encode(&hash.finalize())))
}
