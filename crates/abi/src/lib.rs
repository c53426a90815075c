//! The wire between hypercell's host and its guest: the only definition of what crosses, in either direction.
//!
//! Transport, who may speak when, what ends a turn, and how versions compare and fields are added: `docs/abi.md`,
//! which has the headings of this list in this order.
//!
//! 1. [`version`]: one number, equal or refused.
//! 2. [`limits`]: every `MAX_*`, with unit and reason.
//! 3. [`frame`]: turn headers, frame header, frame kinds.
//! 4. [`message`]: what each frame kind carries.
//! 5. [`value`]: Python values as CBOR, on heads read by [`cbor`].
//! 6. [`archive`]: the files of an image.
//! 7. [`error`]: why bytes are refused.
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
