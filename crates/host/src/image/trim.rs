//! What a build removes from the cache by itself, which would grow for ever otherwise.
//!
//! Guarantees: what stays is every image that some process has open, that was imported, or that was used of late.
//! Never: runs but after a build, which made something in place of what goes.
//!
//! Before: `image`. After: `cache`, `compiled`.

use std::time::Duration;

use super::cache::{BuildLock, Cache, Lookup, is_older};
use super::compiled;

/// For how long an image is kept that nobody would get by asking as before: packages, interpreter or hypercell have changed
/// since, or are gone. Somebody may be about to change them back.
const REPLACED_FOR: Duration = Duration::from_hours(24);

/// Removes images and byte code that no process has used for so long.
pub(crate) fn trim(cache: &Cache, lock: &BuildLock, unused_for: Duration) {
    let wanted = cache.wanted();
    for (digest, found) in cache.entries() {
        let limit = if wanted.contains(&digest) { unused_for } else { unused_for.min(REPLACED_FOR) };
        let is_unused = cache.last_used(&digest).is_none_or(|time| is_older(time, limit));
        // One that came as a file cannot be built again.
        let is_imported = matches!(found, Lookup::Found(entry) if entry.metadata.is_imported);
        if !is_unused || is_imported {
            continue;
        }
        if let Some(_claim) = cache.claim(&digest) {
            // What cannot be removed costs space only.
            let _ = cache.remove(lock, &digest);
        }
    }
    compiled::remove_unused(cache.root(), unused_for);
}

#[cfg(test)]
#[path = "trim_tests.rs"]
mod tests;
