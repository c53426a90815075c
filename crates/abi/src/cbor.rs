//! Heads of CBOR items (RFC 8949 section 3): the one place where bytes become a type and a number.
//!
//! Guarantees: no panic and no allocation on any input; indefinite lengths and reserved bytes are refused here, so
//! that no caller meets them. A head's number is a claim about what follows until `payload` has checked it.
//! It must never look at what an item means.
//!
//! Before: raw bytes. After: `value` walks whole items, `message` reads fields.

use crate::error::WireError;

/// The eight major types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Major {
    /// An integer from 0 to 2^64 - 1; the argument is the value.
    Uint,
    /// An integer from -2^64 to -1; the value is -1 minus the argument.
    NegInt,
    /// A byte string; the argument is its length.
    Bytes,
    /// A UTF-8 string; the argument is its length in bytes.
    Text,
    /// An array; the argument counts elements.
    Array,
    /// A map; the argument counts pairs.
    Map,
    /// A tag around the next item; the argument is the tag.
    Tag,
    /// False (20), true (21), null (22), or a float: see [`Head::float_bits`].
    Simple,
}

/// First part of an item: its type and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The major type.
    pub major: Major,
    /// The argument: a value, a length, a count, a tag, or the bits of a float.
    pub arg: u64,
    /// Bytes of the argument after the first byte: 0, 1, 2, 4 or 8.
    pub arg_bytes: usize,
}

impl Head {
    /// Returns the width in bits and the bits of a float, if this is one.
    #[must_use]
    pub fn float_bits(&self) -> Option<(u32, u64)> {
        match (self.major, self.arg_bytes) {
            (Major::Simple, 2) => Some((16, self.arg)),
            (Major::Simple, 4) => Some((32, self.arg)),
            (Major::Simple, 8) => Some((64, self.arg)),
            _ => None,
        }
    }
}

/// Reads the head at `offset` and returns it with the offset of what follows it.
///
/// Input is guest-controlled.
///
/// # Errors
///
/// [`WireError::Truncated`], [`WireError::Malformed`] or [`WireError::IndefiniteLength`], each with `offset`.
pub fn read_head(input: &[u8], offset: usize) -> Result<(Head, usize), WireError> {
    let first = *input.get(offset).ok_or(WireError::Truncated { offset })?;
    let major = match first >> 5 {
        0 => Major::Uint,
        1 => Major::NegInt,
        2 => Major::Bytes,
        3 => Major::Text,
        4 => Major::Array,
        5 => Major::Map,
        6 => Major::Tag,
        _ => Major::Simple,
    };
    let info = first & 0x1f;
    let arg_bytes = match info {
        0..=23 => 0,
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        31 if !matches!(major, Major::Uint | Major::NegInt | Major::Tag) => {
            return Err(WireError::IndefiniteLength { offset });
        }
        _ => return Err(WireError::Malformed { offset }),
    };
    let start = offset.saturating_add(1);
    let next = start.saturating_add(arg_bytes);
    let tail = input.get(start..next).ok_or(WireError::Truncated { offset })?;
    let arg = if arg_bytes == 0 {
        u64::from(info)
    } else {
        tail.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte))
    };
    Ok((Head { major, arg, arg_bytes }, next))
}

/// Returns the `len` bytes of a string at `offset`, and the offset behind them.
///
/// Input is guest-controlled.
///
/// # Errors
///
/// [`WireError::Truncated`] if there are fewer.
pub fn payload(input: &[u8], offset: usize, len: u64) -> Result<(&[u8], usize), WireError> {
    let truncated = WireError::Truncated { offset };
    let len = usize::try_from(len).map_err(|_| truncated)?;
    let end = offset.checked_add(len).ok_or(truncated)?;
    let bytes = input.get(offset..end).ok_or(truncated)?;
    Ok((bytes, end))
}

/// Returns the `len` bytes of a text at `offset`, and the offset behind them.
///
/// Input is guest-controlled.
///
/// # Errors
///
/// [`WireError::Truncated`] or [`WireError::InvalidUtf8`].
pub fn text_payload(input: &[u8], offset: usize, len: u64) -> Result<(&str, usize), WireError> {
    let (bytes, end) = payload(input, offset, len)?;
    let text = core::str::from_utf8(bytes).map_err(|_| WireError::InvalidUtf8 { offset })?;
    Ok((text, end))
}

/// Appends a head in its shortest form. For a float use [`write_f64`].
#[cfg(feature = "alloc")]
pub fn write_head(out: &mut alloc::vec::Vec<u8>, major: Major, arg: u64) {
    let top = match major {
        Major::Uint => 0u8,
        Major::NegInt => 1,
        Major::Bytes => 2,
        Major::Text => 3,
        Major::Array => 4,
        Major::Map => 5,
        Major::Tag => 6,
        Major::Simple => 7,
    } << 5;
    if let Ok(byte) = u8::try_from(arg) {
        if byte < 24 {
            out.push(top | byte);
        } else {
            out.extend_from_slice(&[top | 24, byte]);
        }
    } else if let Ok(short) = u16::try_from(arg) {
        out.push(top | 25);
        out.extend_from_slice(&short.to_be_bytes());
    } else if let Ok(word) = u32::try_from(arg) {
        out.push(top | 26);
        out.extend_from_slice(&word.to_be_bytes());
    } else {
        out.push(top | 27);
        out.extend_from_slice(&arg.to_be_bytes());
    }
}

/// Appends a 64-bit float, the only width that is sent.
#[cfg(feature = "alloc")]
pub fn write_f64(out: &mut alloc::vec::Vec<u8>, value: f64) {
    out.push(0xfb);
    out.extend_from_slice(&value.to_bits().to_be_bytes());
}

/// Appends a byte string.
#[cfg(feature = "alloc")]
pub fn write_bytes(out: &mut alloc::vec::Vec<u8>, bytes: &[u8]) {
    write_head(out, Major::Bytes, len_arg(bytes.len()));
    out.extend_from_slice(bytes);
}

/// Appends a text.
#[cfg(feature = "alloc")]
pub fn write_text(out: &mut alloc::vec::Vec<u8>, text: &str) {
    write_head(out, Major::Text, len_arg(text.len()));
    out.extend_from_slice(text.as_bytes());
}

/// Converts a length; a slice never has more bytes than fit.
pub(crate) fn len_arg(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
