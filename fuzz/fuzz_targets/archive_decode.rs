//! Image archives: nothing panics, and every read of an archive that passed its check succeeds.
#![no_main]

use hypercell_abi::archive::{Archive, EntryId, EntryKind, ROOT};
use libfuzzer_sys::fuzz_target;

/// Entries read of one archive, so that a long one does not make the fuzzer slow.
const MAX_READ: u32 = 64;

fuzz_target!(|data: &[u8]| {
    let Ok(archive) = Archive::parse(data) else { return };
    let is_whole = archive.check().is_ok();
    for id in (0..archive.entry_count().min(MAX_READ)).map(EntryId) {
        let read = archive.entry(id).and_then(|entry| match entry.kind {
            EntryKind::File => archive.data(id).map(|data| assert_eq!(data.len() as u64, entry.size)),
            EntryKind::Symlink => archive.link_target(id).map(drop),
            EntryKind::Dir => {
                for child in archive.children(id)?.take(MAX_READ as usize) {
                    assert!(child > id, "a child stands before its directory");
                    let name = archive.entry(child)?.name;
                    let found = archive.lookup(id, name)?;
                    if is_whole {
                        assert_eq!(found.map(|entry| entry.id), Some(child));
                    }
                }
                Ok(())
            }
        });
        if is_whole {
            read.expect("an archive that passed its check can be read");
        }
    }
    let _found = archive.lookup_path(b"usr/lib/../x");
    if is_whole {
        assert_eq!(archive.entry(ROOT).expect("there is a root").kind, EntryKind::Dir);
    }
});
