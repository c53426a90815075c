//! Turns in chunks: how a turn longer than one hypervisor call travels.
//!
//! Each call and each result is one tag byte and a chunk. The host sends a long turn as `More` chunks, each answered
//! by `Next`, and ends it with `Last`; the guest answers that with its own turn, as one `Last` chunk or as `More`
//! chunks that the host asks on with `Next`.
//!
//! Guarantees: a tag is one of three bytes. Nothing above the engine and the kernel's channel sees chunks, and a
//! chunk must never be looked into before its turn is whole.
//!
//! Before: the hypervisor's transport. After: `frame`.

use crate::limits::MAX_CHUNK_BYTES;

/// Most bytes in a chunk, without its tag.
pub const CHUNK_BYTES: usize = MAX_CHUNK_BYTES;

/// Name of the host function that takes a turn in the middle of a call. It returns the host's next turn, or nothing
/// where the guest must end the call with an empty turn.
pub const ASK_FUNCTION: &str = "ask";

/// First byte of every call and result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// The turn ends with this chunk.
    Last,
    /// More of this turn follows.
    More,
    /// Send the next chunk.
    Next,
}

impl Tag {
    /// Returns the byte on the wire.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Last => 0,
            Self::More => 1,
            Self::Next => 2,
        }
    }

    /// Reads a tag; `None` for any other byte.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Last),
            1 => Some(Self::More),
            2 => Some(Self::Next),
            _ => None,
        }
    }
}
