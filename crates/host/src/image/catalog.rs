//! What is in the cache: looked at, taken by its digest, removed.
//!
//! Guarantees: an image is taken only if it can start here. Never: builds.
//!
//! Before: the caller, who asks for no image in particular or for one by its digest. After: `cache`.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hypercell_abi::ABI_VERSION;

use super::build::{engine_settings, scratch_bytes};
use super::cache::{Cache, Lookup, Metadata};
use super::{Image, ImageError, compiled, cpu, load};

/// Fewest digits that an image is found by.
const MIN_DIGEST_CHARS: usize = 4;

/// An image of the cache.
#[derive(Clone, Debug)]
pub struct Listed {
    /// SHA-256 as hexadecimal digits.
    pub digest: String,
    /// What was noted about it; empty of one that is damaged.
    pub metadata: Metadata,
    /// Its directory.
    pub path: PathBuf,
    /// When a process last loaded it, as far as that is known.
    pub last_used: Option<SystemTime>,
    /// Why it cannot start here, if it cannot.
    pub unusable: Option<String>,
}

impl Image {
    /// Lists the images of a cache by their digests.
    ///
    /// # Errors
    ///
    /// [`ImageError::Cache`] where the directory cannot be used.
    pub fn list(cache_dir: &Path) -> Result<Vec<Listed>, ImageError> {
        let cache = Cache::open(cache_dir)?;
        let listed = cache.entries().into_iter().filter_map(|(digest, found)| {
            let (metadata, unusable) = match found {
                Lookup::Absent => return None,
                Lookup::Damaged(detail) => (Metadata::default(), Some(format!("it is damaged: {detail}"))),
                Lookup::Found(entry) => {
                    let unusable = why_not_here(&entry.metadata);
                    (entry.metadata, unusable)
                }
            };
            let (path, last_used) = (cache.entry_dir(&digest), cache.last_used(&digest));
            Some(Listed { digest, metadata, path, last_used, unusable })
        });
        Ok(listed.collect())
    }

    /// Loads an image from the cache by its digest, or the beginning of it, without a look at any interpreter.
    ///
    /// # Errors
    ///
    /// [`ImageError::Unknown`] unless exactly one image begins so; [`ImageError::Foreign`] if it cannot start here;
    /// [`ImageError::Cache`].
    pub fn from_cache(cache_dir: &Path, digest: &str) -> Result<Image, ImageError> {
        let unknown = |detail: String| ImageError::Unknown {
            digest: digest.to_owned(),
            path: cache_dir.to_owned(),
            detail,
        };
        if digest.len() < MIN_DIGEST_CHARS {
            return Err(unknown(format!("give at least {MIN_DIGEST_CHARS} digits of it")));
        }
        let given = digest.to_ascii_lowercase();
        let mut found = Self::list(cache_dir)?;
        found.retain(|listed| listed.digest.starts_with(&given));
        let [listed] = found.as_slice() else {
            return Err(unknown(format!("{} images begin so", found.len())));
        };
        if let Some(detail) = &listed.unusable {
            return Err(ImageError::Foreign { digest: listed.digest.clone(), detail: detail.clone() });
        }
        let mut notices = Vec::new();
        load(&Cache::open(cache_dir)?, &listed.digest, &mut notices).ok_or_else(|| unknown(notices.concat()))
    }

    /// Returns the bytes of the byte code that builds have left for those to come.
    ///
    /// # Errors
    ///
    /// [`ImageError::Cache`] where the directory cannot be used.
    pub fn bytecode_bytes(cache_dir: &Path) -> Result<u64, ImageError> {
        Ok(compiled::size_bytes(Cache::open(cache_dir)?.root()))
    }

    /// Removes images from the cache, and byte code that no build has used for so long. Sandboxes that run from the
    /// images go on.
    ///
    /// # Errors
    ///
    /// [`ImageError::Cache`] where one cannot be removed; [`ImageError::Cancelled`] if `wait`, called while another
    /// process builds, says so.
    pub fn remove(
        cache_dir: &Path,
        digests: &[String],
        bytecode_unused_for: Option<Duration>,
        wait: &dyn Fn() -> ControlFlow<()>,
    ) -> Result<(), ImageError> {
        let cache = Cache::open(cache_dir)?;
        let lock = cache.lock(wait)?;
        if let Some(unused_for) = bytecode_unused_for {
            compiled::remove_unused(cache.root(), unused_for);
        }
        let known: Vec<String> = cache.entries().into_iter().map(|(digest, _)| digest).collect();
        digests
            .iter()
            .filter(|digest| known.contains(digest))
            .try_for_each(|digest| cache.remove(&lock, digest))
    }
}

/// Says why an image cannot start on this machine, under this version.
pub(super) fn why_not_here(metadata: &Metadata) -> Option<String> {
    let here = env!("CARGO_PKG_VERSION");
    if metadata.hypercell != here {
        return Some(format!("it is of hypercell version {}, and this is {here}", metadata.hypercell));
    }
    if metadata.abi != ABI_VERSION {
        return Some(format!("it is of wire version {}, and this is {ABI_VERSION}", metadata.abi));
    }
    let cpu = cpu::features();
    if metadata.cpu != cpu {
        let detail = cpu::difference(&metadata.cpu, &cpu);
        return Some(format!("it was started on another processor: {detail}"));
    }
    let Some(scratch_bytes) = scratch_bytes(metadata.memory_bytes) else {
        return Some(format!("no VM serves memory of {} bytes", metadata.memory_bytes));
    };
    let engine = engine_settings(scratch_bytes);
    (metadata.engine != engine)
        .then(|| format!("it was made with {:?}, and this has {engine:?}", metadata.engine))
}
