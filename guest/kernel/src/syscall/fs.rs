//! System calls on files, by family.
//!
//! Guarantees: every argument is a claim until checked; handlers borrow the tree only for as long as no device runs.
//!
//! Before: table. After: vfs, user.

pub mod descriptor;
pub mod io;
pub mod path;
pub mod socket;
pub mod splice;
pub mod stat;
mod terminal;
#[cfg(test)]
mod tests;

use crate::errno::Errno;

/// A file offset as C passes it: signed, and never negative here.
///
/// # Errors
///
/// `EINVAL`.
fn offset(value: u64) -> Result<u64, Errno> {
    if i64::try_from(value).is_ok() { Ok(value) } else { Err(Errno::EINVAL) }
}
