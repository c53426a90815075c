//! The one number that says whether two builds understand each other.
//!
//! Guarantees: equal versions have equal layouts, messages, limits and value tags. There is no range of accepted
//! versions and no negotiation: a host and its guest image are built together. `tripwires.rs` holds a second copy.
//!
//! Before: nothing. After: `frame`, which writes the version into each header.

use crate::error::WireError;

/// Version of everything in this crate. Any change to bytes or limits increments it; see `docs/abi.md`.
pub const ABI_VERSION: u16 = 1;

/// Refuses any version but [`ABI_VERSION`].
pub(crate) fn check_version(found: u16) -> Result<(), WireError> {
    if found == ABI_VERSION {
        Ok(())
    } else {
        Err(WireError::VersionMismatch { found, supported: ABI_VERSION })
    }
}
