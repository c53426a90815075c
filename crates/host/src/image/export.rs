//! Images as files, for machines that have not what they were made of.
//!
//! Guarantees: an imported image is named by the SHA-256 of its file, so it never takes the place of one that was built
//! here: whoever writes a file may claim any contents for it.
//! SECURITY: what runs in the sandboxes of an imported image is decided by who wrote the file; their tools, inputs and
//! mounts meet that. The host treats it as it does any guest.
//! Never: writes outside of the file that the caller names, and the cache.
//!
//! Before: the caller. After: `sealed`, `cache`.

use std::path::Path;

use super::build::scratch_bytes;
use super::cache::{Cache, Metadata, SNAPSHOT_DIR};
use super::catalog::why_not_here;
use super::{Image, ImageError, Progress, load};
use crate::sealed::{self, FileError, Sealed};
use crate::vm::VmSnapshot;

impl Image {
    /// Writes the image to a file that only this user can read, in place of any that is there. Reads all of it twice,
    /// about two seconds for 100 MB.
    ///
    /// Returns the file's SHA-256 as hexadecimal digits, by which the image is known where it is imported.
    ///
    /// # Errors
    ///
    /// [`ImageError::Cache`] if the image is damaged; [`ImageError::File`] where the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<String, ImageError> {
        self.verify()?;
        let metadata = Metadata { files: Vec::new(), ..self.entry.metadata.clone() };
        let files = self.entry.metadata.files.clone();
        sealed::save(path, metadata, &self.entry.dir, files).map_err(failed(path))
    }

    /// Brings a file into the cache, and loads it. The file may change or go afterwards.
    ///
    /// `digest` is what `save` returned: another file is refused.
    ///
    /// # Errors
    ///
    /// [`ImageError::File`] for one that cannot be read, is damaged, or is another one; [`ImageError::Foreign`] if the
    /// image cannot start here; [`ImageError::Cache`]; [`ImageError::Cancelled`].
    pub fn load(
        path: &Path,
        digest: Option<&str>,
        cache_dir: &Path,
        progress: &Progress<'_>,
    ) -> Result<Image, ImageError> {
        let failed = failed(path);
        let file = Sealed::open(path).map_err(&failed)?;
        let found = digest.map_or_else(|| file.digest(), |digest| file.expect(digest)).map_err(&failed)?;
        let cache = Cache::open(cache_dir)?;
        let mut notices = Vec::new();
        if let Some(image) = load(&cache, &found, &mut notices) {
            return Ok(image);
        }
        let lock = cache.lock(|| progress("waiting for another process's build", 0.1))?;
        if let Some(image) = load(&cache, &found, &mut notices) {
            return Ok(image);
        }
        let staging = cache.staging(&lock)?;
        let entry_dir = staging.path().join("entry");
        cache.save_into(&entry_dir, |_| Ok(()))?;
        let check = |metadata: &Metadata| match why_not_here(metadata) {
            Some(detail) => Err(Refused::Foreign(detail)),
            None => Ok(()),
        };
        let metadata = file.unpack(&entry_dir, SNAPSHOT_DIR, check).map_err(|refused| match refused {
            Refused::File(FileError::Write { path, source }) => {
                ImageError::Cache { path, detail: source.to_string() }
            }
            Refused::File(error) => failed(error),
            Refused::Foreign(detail) => ImageError::Foreign { digest: found.clone(), detail },
        })?;
        let damaged = |detail: String| failed(FileError::Damaged { detail });
        let scratch = scratch_bytes(metadata.memory_bytes)
            .ok_or_else(|| damaged("no VM serves its memory".to_owned()))?;
        let snapshot = VmSnapshot::load_untrusted(&entry_dir.join(SNAPSHOT_DIR), scratch)
            .map_err(|error| damaged(error.to_string()))?;
        let files = cache.settle(&entry_dir)?;
        let metadata = Metadata { digest: found, is_imported: true, files, ..metadata };
        let entry = cache.publish(&lock, &entry_dir, metadata)?;
        let held = cache.hold(&entry.metadata.digest);
        Ok(Image { entry, snapshot, notices, _held: held })
    }
}

fn failed(path: &Path) -> impl Fn(FileError) -> ImageError {
    move |error| {
        let detail = match error {
            FileError::Read { source, .. } | FileError::Write { source, .. } => source.to_string(),
            other => other.to_string(),
        };
        ImageError::File { path: path.to_owned(), detail }
    }
}

/// Why a file is not unpacked.
enum Refused {
    File(FileError),
    Foreign(String),
}

impl From<FileError> for Refused {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}
