//! Values: the tags in use, and the walk that decides whether bytes are one value.
//!
//! Guarantees: a [`RawValue`] is exactly one well-formed item of definite lengths with UTF-8 texts, known tags
//! around the right kind of item, and sizes within `limits`. The walk uses a fixed stack, so neither depth nor a
//! claimed length costs memory. Not checked, since only a decoder that builds objects can: repeated or
//! unhashable map keys, the spelling of numbers and times inside texts, the three integers of a timedelta.
//! It must never build a value.
//!
//! Before: `cbor` reads the heads. After: `message` carries values as raw bytes; the Python binding decodes them.

use crate::cbor::{Head, Major, len_arg, payload, read_head, text_payload};
use crate::error::WireError;
use crate::limits::{MAX_INT_BYTES, MAX_VALUE_BYTES, MAX_VALUE_DEPTH, MAX_VALUE_ITEMS};

/// Integer of 2^64 or more: a byte string, big-endian (RFC 8949 section 3.4.3).
pub const TAG_BIGNUM: u64 = 2;
/// Integer below -2^64: a byte string n, meaning -1 - n.
pub const TAG_NEGATIVE_BIGNUM: u64 = 3;
/// UUID: 16 bytes.
pub const TAG_UUID: u64 = 37;
/// Set: an array.
pub const TAG_SET: u64 = 258;
/// Date: text as `date.isoformat()` writes it (RFC 8943).
pub const TAG_DATE: u64 = 1004;
/// Tuple: an array.
pub const TAG_TUPLE: u64 = 48_000;
/// Time of day: text as `time.isoformat()` writes it.
pub const TAG_TIME: u64 = 48_001;
/// Timedelta: an array of days, seconds and microseconds.
pub const TAG_TIMEDELTA: u64 = 48_002;
/// Decimal: text as `str()` writes it.
pub const TAG_DECIMAL: u64 = 48_003;
/// Frozenset: an array.
pub const TAG_FROZENSET: u64 = 48_004;
/// Datetime: text as `datetime.isoformat()` writes it, naive or with an offset.
pub const TAG_DATETIME: u64 = 48_005;

/// Simple value of `False`.
pub const SIMPLE_FALSE: u64 = 20;
/// Simple value of `True`.
pub const SIMPLE_TRUE: u64 = 21;
/// Simple value of `None`.
pub const SIMPLE_NULL: u64 = 22;

/// One value as bytes that have been walked and found within the rules above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawValue<'a>(&'a [u8]);

impl<'a> RawValue<'a> {
    /// The value `None`.
    pub const NONE: RawValue<'static> = RawValue(&[0xf6]);

    /// Checks that `bytes` are exactly one value.
    ///
    /// Input is guest-controlled.
    ///
    /// # Errors
    ///
    /// As [`value_len`], and [`WireError::TrailingBytes`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, WireError> {
        let len = value_len(bytes)?;
        match bytes.len().saturating_sub(len) {
            0 => Ok(Self(bytes)),
            rest => Err(WireError::TrailingBytes { offset: len, len_bytes: rest }),
        }
    }

    /// Takes the value at the start of `bytes`, which may go on behind it.
    pub(crate) fn first(bytes: &'a [u8]) -> Result<Self, WireError> {
        let len = value_len(bytes)?;
        bytes.get(..len).map(Self).ok_or(WireError::Truncated { offset: 0 })
    }

    /// Returns the encoded value.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Counts the data items, by walking the value again.
    #[must_use]
    pub fn item_count(self) -> usize {
        // It was walked without an error before.
        measure(self.0).map_or(0, |measured| measured.items)
    }

    /// Counts the levels of arrays and maps within each other, by walking the value again; 0 for a scalar.
    #[must_use]
    pub fn depth(self) -> usize {
        measure(self.0).map_or(0, |measured| measured.depth)
    }
}

/// Values under names: the inputs of a run, or the arguments of a tool call.
///
/// It is one map value with text keys, and the limits of a value hold for all of it, with the map as first level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedValues<'a> {
    map: RawValue<'a>,
    count: usize,
}

impl<'a> NamedValues<'a> {
    /// No values.
    pub const EMPTY: NamedValues<'static> = NamedValues { map: RawValue(&[0xa0]), count: 0 };

    /// Checks that `bytes` are exactly one map whose keys are texts.
    ///
    /// Whether a name occurs twice is checked where messages are encoded and decoded. Input is guest-controlled.
    ///
    /// # Errors
    ///
    /// As [`RawValue::new`], and [`WireError::WrongType`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, WireError> {
        Self::from_value(RawValue::new(bytes)?)
    }

    /// Checks that `map` is a map whose keys are texts.
    ///
    /// # Errors
    ///
    /// [`WireError::WrongType`].
    pub fn from_value(map: RawValue<'a>) -> Result<Self, WireError> {
        let bytes = map.as_bytes();
        let (head, mut offset) = read_head(bytes, 0)?;
        if head.major != Major::Map {
            return Err(WireError::WrongType { expected: "a map", offset: 0 });
        }
        for _ in 0..head.arg {
            let (_, _, next) = read_pair(bytes, offset)?;
            offset = next;
        }
        let count = usize::try_from(head.arg).map_err(|_| WireError::Truncated { offset: 0 })?;
        Ok(Self { map, count })
    }

    /// Returns the whole map as a value.
    #[must_use]
    pub fn as_value(self) -> RawValue<'a> {
        self.map
    }

    /// Returns the number of names.
    #[must_use]
    pub fn len(self) -> usize {
        self.count
    }

    /// Returns whether there are no names.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.count == 0
    }

    /// Iterates over names and values in the order sent.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, RawValue<'a>)> {
        let bytes = self.map.as_bytes();
        let mut offset = read_head(bytes, 0).map_or(bytes.len(), |(_, next)| next);
        core::iter::from_fn(move || {
            let (name, value, next) = read_pair(bytes, offset).ok()?;
            offset = next;
            Some((name, value))
        })
    }

    /// Encodes pairs as one map, for [`NamedValues::new`].
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn encode(pairs: &[(&str, RawValue<'_>)]) -> alloc::vec::Vec<u8> {
        let mut out = alloc::vec::Vec::new();
        crate::cbor::write_head(&mut out, Major::Map, len_arg(pairs.len()));
        for (name, value) in pairs {
            crate::cbor::write_text(&mut out, name);
            out.extend_from_slice(value.as_bytes());
        }
        out
    }
}

/// Reads a text key and the value behind it.
fn read_pair(bytes: &[u8], offset: usize) -> Result<(&str, RawValue<'_>, usize), WireError> {
    let (key, start) = read_head(bytes, offset)?;
    if key.major != Major::Text {
        return Err(WireError::WrongType { expected: "a text key", offset });
    }
    let (name, at) = text_payload(bytes, start, key.arg)?;
    let rest = bytes.get(at..).ok_or(WireError::Truncated { offset: at })?;
    let value = RawValue::first(rest)?;
    Ok((name, value, at.saturating_add(value.as_bytes().len())))
}

/// Returns the length in bytes of the value at the start of `input`.
///
/// Input is guest-controlled. Time is linear in the length returned; memory is constant.
///
/// # Errors
///
/// [`WireError::Truncated`], [`WireError::Malformed`], [`WireError::IndefiniteLength`], [`WireError::InvalidUtf8`],
/// [`WireError::UnknownTag`], [`WireError::TagContent`], [`WireError::UnknownSimple`], or a limit:
/// [`WireError::ValueTooLong`], [`WireError::ValueTooDeep`], [`WireError::TooManyItems`], [`WireError::IntTooLong`].
pub fn value_len(input: &[u8]) -> Result<usize, WireError> {
    measure(input).map(|measured| measured.len)
}

/// What a walk over a value finds.
struct Measured {
    /// Bytes.
    len: usize,
    /// Data items.
    items: usize,
    /// Levels of arrays and maps.
    depth: usize,
}

/// Measures the value at the start of `input`.
fn measure(input: &[u8]) -> Result<Measured, WireError> {
    let mut open = OpenContainers { left: [0; MAX_VALUE_DEPTH], depth: 0, deepest: 0 };
    let mut items = 0usize;
    let mut tag = None;
    let mut offset = 0;
    loop {
        let (head, next) = read_head(input, offset)?;
        if let Some(tag) = tag.take() {
            check_tagged(tag, head, offset)?;
        }
        if head.major == Major::Tag {
            if !is_known_tag(head.arg) {
                return Err(WireError::UnknownTag { tag: head.arg, offset });
            }
            tag = Some(head.arg);
            offset = next;
            continue;
        }
        items = items.saturating_add(1);
        if items > MAX_VALUE_ITEMS {
            return Err(WireError::TooManyItems { offset, max_items: MAX_VALUE_ITEMS });
        }
        let end = match head.major {
            Major::Uint | Major::NegInt | Major::Tag => next,
            Major::Bytes => payload(input, next, head.arg)?.1,
            Major::Text => text_payload(input, next, head.arg)?.1,
            Major::Array => open.push(head.arg, input, offset, next)?,
            Major::Map => open.push(head.arg.saturating_mul(2), input, offset, next)?,
            Major::Simple => {
                check_simple(head, offset)?;
                next
            }
        };
        if end > MAX_VALUE_BYTES {
            return Err(WireError::ValueTooLong { len_bytes: end, max_bytes: MAX_VALUE_BYTES });
        }
        offset = end;
        if !open.expects_item() {
            return Ok(Measured { len: offset, items, depth: open.deepest });
        }
    }
}

/// The arrays and maps around the next item, each with the number of items it still waits for.
struct OpenContainers {
    left: [u64; MAX_VALUE_DEPTH],
    depth: usize,
    deepest: usize,
}

impl OpenContainers {
    /// Opens a container of `count` items. A count above the bytes that follow is refused at once.
    fn push(&mut self, count: u64, input: &[u8], offset: usize, next: usize) -> Result<usize, WireError> {
        if count > len_arg(input.len().saturating_sub(next)) {
            return Err(WireError::Truncated { offset });
        }
        let too_deep = WireError::ValueTooDeep { offset, max_depth: MAX_VALUE_DEPTH };
        let slot = self.left.get_mut(self.depth).ok_or(too_deep)?;
        *slot = count;
        self.depth = self.depth.saturating_add(1);
        self.deepest = self.deepest.max(self.depth);
        Ok(next)
    }

    /// Closes the containers that are full. Returns whether an item is still due, and counts it.
    fn expects_item(&mut self) -> bool {
        while let Some(above) = self.depth.checked_sub(1) {
            match self.left.get_mut(above) {
                Some(left) if *left > 0 => {
                    *left = left.saturating_sub(1);
                    return true;
                }
                _ => self.depth = above,
            }
        }
        false
    }
}

fn is_known_tag(tag: u64) -> bool {
    matches!(tag, TAG_BIGNUM | TAG_NEGATIVE_BIGNUM | TAG_UUID | TAG_SET | TAG_DATE | TAG_TUPLE..=TAG_DATETIME)
}

/// Checks that the item behind a tag is of the kind the tag is for. No tag is for a tag.
fn check_tagged(tag: u64, head: Head, offset: usize) -> Result<(), WireError> {
    let fits = match tag {
        TAG_BIGNUM | TAG_NEGATIVE_BIGNUM => {
            if head.major == Major::Bytes && head.arg > len_arg(MAX_INT_BYTES) {
                return Err(WireError::IntTooLong { len_bytes: head.arg, max_bytes: MAX_INT_BYTES });
            }
            head.major == Major::Bytes
        }
        TAG_UUID => head.major == Major::Bytes && head.arg == 16,
        TAG_TIMEDELTA => head.major == Major::Array && head.arg == 3,
        TAG_SET | TAG_TUPLE | TAG_FROZENSET => head.major == Major::Array,
        _ => head.major == Major::Text,
    };
    if fits { Ok(()) } else { Err(WireError::TagContent { tag, offset }) }
}

fn check_simple(head: Head, offset: usize) -> Result<(), WireError> {
    let is_short = head.arg_bytes == 0;
    if head.float_bits().is_some() || is_short && matches!(head.arg, SIMPLE_FALSE | SIMPLE_TRUE | SIMPLE_NULL)
    {
        Ok(())
    } else {
        Err(WireError::UnknownSimple { value: head.arg, offset })
    }
}
