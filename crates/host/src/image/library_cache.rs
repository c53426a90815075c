//! Reads `/etc/ld.so.cache`, the dynamic loader's list of installed libraries.
//!
//! Guarantees: any bytes are accepted; what cannot be read is an empty list, and the search goes on without it.
//! Never: believes an offset or a length of the file.
//!
//! Layout: glibc, `sysdeps/generic/dl-cache.h`, `struct cache_file_new`; older systems put it behind the old format.
//!
//! Before: `libraries`. After: the host's file.

use std::collections::HashMap;
use std::fs;

const CACHE_FILE: &str = "/etc/ld.so.cache";
const MAGIC_OLD: &[u8] = b"ld.so-1.7.0";
const MAGIC_NEW: &[u8] = b"glibc-ld.so.cache1.1";
const OLD_HEADER_BYTES: usize = 16;
const OLD_ENTRY_BYTES: usize = 12;
const NEW_HEADER_BYTES: usize = 48;
const NEW_ENTRY_BYTES: usize = 24;
/// `FLAG_ELF_LIBC6 | FLAG_X8664_LIB64`: a library of the x86-64 ABI.
const FLAGS_X86_64: u32 = 0x0303;

/// Paths of installed libraries by name, in the loader's order of preference.
#[derive(Debug, Default)]
pub(crate) struct LibraryCache {
    paths: HashMap<String, Vec<String>>,
}

impl LibraryCache {
    /// Reads the host's cache.
    pub(crate) fn of_host() -> LibraryCache {
        fs::read(CACHE_FILE).ok().and_then(|bytes| LibraryCache::parse(&bytes)).unwrap_or_default()
    }

    /// Returns where libraries of this name are. Builds for a newer processor level (glibc-hwcaps) are left out, so
    /// that an image does not depend on which one the loader would have picked.
    pub(crate) fn paths(&self, name: &str) -> impl Iterator<Item = &str> {
        self.paths.get(name).into_iter().flatten().map(String::as_str)
    }

    fn parse(bytes: &[u8]) -> Option<LibraryCache> {
        let start = if bytes.starts_with(MAGIC_OLD) {
            let count = usize::try_from(u32_at(bytes, 12)?).ok()?;
            (OLD_HEADER_BYTES + count.checked_mul(OLD_ENTRY_BYTES)?).next_multiple_of(8)
        } else {
            0
        };
        let bytes = bytes.get(start..)?;
        if !bytes.starts_with(MAGIC_NEW) {
            return None;
        }
        let count = u32_at(bytes, MAGIC_NEW.len())?;
        let mut cache = LibraryCache::default();
        for index in 0..usize::try_from(count).ok()? {
            let at = NEW_HEADER_BYTES.checked_add(index.checked_mul(NEW_ENTRY_BYTES)?)?;
            let entry = bytes.get(at..at.checked_add(NEW_ENTRY_BYTES)?)?;
            let has_hwcap = entry[16..24].iter().any(|byte| *byte != 0);
            if u32_at(entry, 0)? != FLAGS_X86_64 || has_hwcap {
                continue;
            }
            let (Some(name), Some(path)) =
                (text_at(bytes, u32_at(entry, 4)?), text_at(bytes, u32_at(entry, 8)?))
            else {
                continue;
            };
            cache.paths.entry(name).or_default().push(path);
        }
        Some(cache)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn text_at(bytes: &[u8], at: u32) -> Option<String> {
    let bytes = bytes.get(usize::try_from(at).ok()?..)?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    String::from_utf8(bytes[..end].to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut bytes = MAGIC_NEW.to_vec();
        bytes.extend(2u32.to_le_bytes());
        bytes.resize(NEW_HEADER_BYTES, 0);
        let strings = u32::try_from(NEW_HEADER_BYTES + 2 * NEW_ENTRY_BYTES).expect("small");
        for (flags, hwcap) in [(FLAGS_X86_64, 1u64 << 62), (FLAGS_X86_64, 0)] {
            bytes.extend(flags.to_le_bytes());
            bytes.extend(strings.to_le_bytes());
            bytes.extend((strings + 8).to_le_bytes());
            bytes.extend(0u32.to_le_bytes());
            bytes.extend(hwcap.to_le_bytes());
        }
        bytes.extend(b"libx.so\0/lib/libx.so\0");
        bytes
    }

    #[test]
    fn a_library_is_found_by_name_and_builds_for_newer_processors_are_passed_over() {
        let cache = LibraryCache::parse(&sample()).expect("well formed");
        assert_eq!(cache.paths("libx.so").collect::<Vec<_>>(), ["/lib/libx.so"]);
        assert_eq!(cache.paths("liby.so").count(), 0);
    }

    #[test]
    fn the_new_format_behind_the_old_one_is_read() {
        let mut bytes = MAGIC_OLD.to_vec();
        bytes.resize(12, 0);
        bytes.extend(1u32.to_le_bytes());
        bytes.resize((OLD_HEADER_BYTES + OLD_ENTRY_BYTES).next_multiple_of(8), 0);
        bytes.extend(sample());
        assert_eq!(LibraryCache::parse(&bytes).expect("well formed").paths("libx.so").count(), 1);
    }

    #[test]
    fn no_cut_or_overwritten_cache_makes_the_parser_panic() {
        let bytes = sample();
        for length in 0..bytes.len() {
            let _ = LibraryCache::parse(&bytes[..length]);
        }
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] = 0xff;
            let _ = LibraryCache::parse(&bytes);
        }
    }
}
