//! The wire between hypercell's host and its guest: the only definition of what crosses, in either direction.
//!
//! `docs/abi.md` says the same in prose, under the headings of this list in this order:
//!
//! 1. Transport and framing: [`frame`], and [`link`] for turns in chunks.
//! 2. Who may speak when: [`frame::Route`].
//! 3. What ends a turn: one frame, [`frame::FrameHeader::expect_seq`].
//! 4. Sizes: [`limits`].
//! 5. Version: [`version`], guarded by `tripwires.rs` and the golden files.
//! 6. Messages: [`message`].
//! 7. Values: [`value`], on heads read by [`cbor`].
//! 8. Image archive: [`archive`].
//! 9. Errors: [`error`].
//!
//! Guarantees: any bytes may be given to any decoder here. There is no panic, no recursion, no unchecked index, no
//! wrapped length, and no memory in proportion to a length that is only claimed. It must never do I/O (the archive
//! writer writes to what it is given) or hold state.
//!
//! Before: raw bytes from the other side. After: hypercell-host's channel, the guest kernel's channel.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod archive;
pub mod cbor;
pub mod error;
#[cfg(feature = "alloc")]
mod fields;
pub mod frame;
pub mod limits;
pub mod link;
#[cfg(feature = "alloc")]
pub mod message;
mod tripwires;
pub mod value;
pub mod version;

pub use error::WireError;
pub use frame::{EnterHeader, ExitHeader, FrameHeader, FrameKind};
#[cfg(feature = "alloc")]
pub use message::{GuestFrame, HostFrame, KernelRequest};
pub use value::{NamedValues, RawValue};
pub use version::ABI_VERSION;
