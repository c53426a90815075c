//! Snapshots as files.
//!
//! Guarantees: what is loaded is held where nobody else can change it; otherwise those of `sealed`.
//! Never: writes outside of the file it was told, and a directory of its own.
//!
//! Before: `snapshot`. After: `sealed`, `vm`.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Manifest, Snapshot};
use crate::error::SnapshotError;
use crate::image;
use crate::members;
use crate::sealed::{self, FileError, Sealed};
use crate::vm::VmSnapshot;

const VM_DIR: &str = "vm";
const DIR_MODE: u32 = 0o700;

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
        let dir = private_dir().map_err(failed)?;
        self.vm
            .save(&dir.path().join(VM_DIR))
            .map_err(|error| failed(io::Error::other(error.to_string())))?;
        let files = members::list(dir.path(), VM_DIR).map_err(failed)?;
        Ok(sealed::save(path, &self.manifest, dir.path(), files)?)
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
        let file = Sealed::open(path)?;
        digest.map(|digest| file.expect(digest)).transpose()?;
        let dir = private_dir().map_err(|source| SnapshotError::Read { path: path.to_owned(), source })?;
        let manifest = file.unpack(dir.path(), VM_DIR, Manifest::check)?;
        let scratch_bytes = image::scratch_bytes(manifest.base.memory_bytes)
            .ok_or_else(|| SnapshotError::Damaged { detail: "no VM serves its memory".to_owned() })?;
        // The files are mapped: they live on without their names.
        let vm = VmSnapshot::load_untrusted(&dir.path().join(VM_DIR), scratch_bytes)
            .map_err(|error| SnapshotError::Damaged { detail: error.to_string() })?;
        Ok(Self { vm, manifest })
    }
}

impl From<FileError> for SnapshotError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Read { path, source } => Self::Read { path, source },
            FileError::Write { path, source } => Self::Write { path, source },
            FileError::OtherDigest { found, expected } => Self::OtherDigest { found, expected },
            FileError::Damaged { detail } => Self::Damaged { detail },
            FileError::TooLong { what, len_bytes, max_bytes } => Self::TooLong { what, len_bytes, max_bytes },
        }
    }
}

fn private_dir() -> io::Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("hypercell-snapshot-")
        .permissions(Permissions::from_mode(DIR_MODE))
        .tempdir()
}
