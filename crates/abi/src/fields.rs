//! Message bodies as maps with short text keys: a reader and a writer that apply the same limits.
//!
//! Guarantees: keys are known, none occurs twice, nothing follows the map; a text is never longer than its limit in
//! either direction. It must never know a particular message.
//!
//! Before: `frame` splits header and body. After: `message` names the keys.

use alloc::vec;
use alloc::vec::Vec;

use crate::cbor::{
    Head, Major, len_arg, payload, read_head, text_payload, write_bytes, write_head, write_text,
};
use crate::error::WireError;
use crate::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, check_frame_len};
use crate::limits::MAX_LIST_ENTRIES;
use crate::value::{NamedValues, RawValue, SIMPLE_FALSE, SIMPLE_NULL, SIMPLE_TRUE};

/// Reads items from a body, one behind the other.
pub(crate) struct Reader<'a> {
    body: &'a [u8],
    offset: usize,
    pub(crate) kind: FrameKind,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(kind: FrameKind, body: &'a [u8]) -> Self {
        Self { body, offset: 0, kind }
    }

    /// Reads a map and hands each key to `field`, which reads the item behind it and returns whether it knows it.
    pub(crate) fn map(
        &mut self,
        mut field: impl FnMut(&'a str, &mut Self) -> Result<bool, WireError>,
    ) -> Result<(), WireError> {
        let count = self.head(Major::Map, "a map")?.arg;
        for _ in 0..count {
            let at = self.offset;
            let len = self.head(Major::Text, "a text key")?.arg;
            let key = self.text_of(len)?;
            if !field(key, self)? {
                return Err(WireError::UnknownField { message: self.kind, offset: at });
            }
        }
        Ok(())
    }

    /// Checks that nothing is left.
    pub(crate) fn finish(&self) -> Result<(), WireError> {
        match self.body.len().saturating_sub(self.offset) {
            0 => Ok(()),
            len_bytes => Err(WireError::TrailingBytes { offset: self.offset, len_bytes }),
        }
    }

    /// Puts what `read` returns into `slot`, which must be empty.
    pub(crate) fn once<T>(
        &mut self,
        slot: &mut Option<T>,
        field: &'static str,
        read: impl FnOnce(&mut Self, &'static str) -> Result<T, WireError>,
    ) -> Result<bool, WireError> {
        if slot.is_some() {
            return Err(WireError::RepeatedField { message: self.kind, field });
        }
        *slot = Some(read(self, field)?);
        Ok(true)
    }

    /// Returns what a key held that the message must have.
    pub(crate) fn need<T>(&self, slot: Option<T>, field: &'static str) -> Result<T, WireError> {
        slot.ok_or(WireError::MissingField { message: self.kind, field })
    }

    pub(crate) fn text(&mut self, field: &'static str, max_bytes: usize) -> Result<&'a str, WireError> {
        let len = self.head(Major::Text, "a text")?.arg;
        check_field_len(field, len, max_bytes)?;
        self.text_of(len)
    }

    pub(crate) fn bytes(&mut self, field: &'static str, max_bytes: usize) -> Result<&'a [u8], WireError> {
        let len = self.head(Major::Bytes, "a byte string")?.arg;
        check_field_len(field, len, max_bytes)?;
        let (bytes, end) = payload(self.body, self.offset, len)?;
        self.offset = end;
        Ok(bytes)
    }

    pub(crate) fn uint(&mut self) -> Result<u64, WireError> {
        Ok(self.head(Major::Uint, "an unsigned integer")?.arg)
    }

    /// Reads an integer of 64 bits with sign.
    pub(crate) fn int(&mut self, field: &'static str) -> Result<i64, WireError> {
        let (head, next) = read_head(self.body, self.offset)?;
        let magnitude =
            i64::try_from(head.arg).map_err(|_| WireError::FieldRange { field, value: head.arg })?;
        let value = match head.major {
            Major::Uint => magnitude,
            Major::NegInt => !magnitude,
            _ => return Err(WireError::WrongType { expected: "an integer", offset: self.offset }),
        };
        self.offset = next;
        Ok(value)
    }

    /// Reads null as `None`, an integer of 64 bits with sign otherwise.
    pub(crate) fn int_or_null(&mut self, field: &'static str) -> Result<Option<i64>, WireError> {
        if self.take_null()? { Ok(None) } else { self.int(field).map(Some) }
    }

    /// Whether a byte string comes next.
    pub(crate) fn is_bytes_next(&self) -> bool {
        read_head(self.body, self.offset).is_ok_and(|(head, _)| head.major == Major::Bytes)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, WireError> {
        let (head, next) = read_head(self.body, self.offset)?;
        let value = match (head.major, head.arg_bytes, head.arg) {
            (Major::Simple, 0, SIMPLE_FALSE) => false,
            (Major::Simple, 0, SIMPLE_TRUE) => true,
            _ => return Err(WireError::WrongType { expected: "a boolean", offset: self.offset }),
        };
        self.offset = next;
        Ok(value)
    }

    /// Reads null as `None`, an unsigned integer otherwise.
    pub(crate) fn uint_or_null(&mut self) -> Result<Option<u64>, WireError> {
        if self.take_null()? { Ok(None) } else { self.uint().map(Some) }
    }

    /// Reads null if it comes next, and returns whether it did.
    fn take_null(&mut self) -> Result<bool, WireError> {
        let (head, next) = read_head(self.body, self.offset)?;
        let is_null = (head.major, head.arg_bytes, head.arg) == (Major::Simple, 0, SIMPLE_NULL);
        if is_null {
            self.offset = next;
        }
        Ok(is_null)
    }

    pub(crate) fn value(&mut self) -> Result<RawValue<'a>, WireError> {
        let rest = self.body.get(self.offset..).unwrap_or_default();
        let value = RawValue::first(rest).map_err(|error| shift(error, self.offset))?;
        self.offset = self.offset.saturating_add(value.as_bytes().len());
        Ok(value)
    }

    pub(crate) fn named_values(&mut self, field: &'static str) -> Result<NamedValues<'a>, WireError> {
        let start = self.offset;
        let named = NamedValues::from_value(self.value()?).map_err(|error| shift(error, start))?;
        check_distinct(field, named)?;
        Ok(named)
    }

    /// Reads an array, one entry at a time. The count is checked first; memory grows with entries that are there.
    pub(crate) fn list<T>(
        &mut self,
        field: &'static str,
        max_count: usize,
        mut entry: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let count = self.head(Major::Array, "an array")?.arg;
        check_count(field, count, max_count)?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(entry(self)?);
        }
        Ok(list)
    }

    pub(crate) fn texts(&mut self, field: &'static str, max_bytes: usize) -> Result<Vec<&'a str>, WireError> {
        self.list(field, MAX_LIST_ENTRIES, |entry| entry.text(field, max_bytes))
    }

    pub(crate) fn pair(
        &mut self,
        fields: [&'static str; 2],
        max_bytes: [usize; 2],
    ) -> Result<(&'a str, &'a str), WireError> {
        let at = self.offset;
        if self.head(Major::Array, "an array of two")?.arg != 2 {
            return Err(WireError::WrongType { expected: "an array of two", offset: at });
        }
        let ([first, second], [first_max, second_max]) = (fields, max_bytes);
        Ok((self.text(first, first_max)?, self.text(second, second_max)?))
    }

    /// Reads an array of a text and a byte string, each of at most `max_bytes`.
    pub(crate) fn text_and_bytes(
        &mut self,
        field: &'static str,
        max_bytes: usize,
    ) -> Result<(&'a str, &'a [u8]), WireError> {
        let at = self.offset;
        if self.head(Major::Array, "an array of two")?.arg != 2 {
            return Err(WireError::WrongType { expected: "an array of two", offset: at });
        }
        Ok((self.text(field, max_bytes)?, self.bytes(field, max_bytes)?))
    }

    fn head(&mut self, major: Major, expected: &'static str) -> Result<Head, WireError> {
        let (head, next) = read_head(self.body, self.offset)?;
        if head.major != major {
            return Err(WireError::WrongType { expected, offset: self.offset });
        }
        self.offset = next;
        Ok(head)
    }

    fn text_of(&mut self, len: u64) -> Result<&'a str, WireError> {
        let (text, end) = text_payload(self.body, self.offset, len)?;
        self.offset = end;
        Ok(text)
    }
}

/// Writes a frame: room for the header, then the body.
pub(crate) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// Starts a body that is a map of `entries` keys.
    pub(crate) fn new(entries: u64) -> Self {
        let mut out = vec![0; FRAME_HEADER_BYTES];
        write_head(&mut out, Major::Map, entries);
        Self { out }
    }

    pub(crate) fn key(&mut self, key: &str) -> &mut Self {
        write_text(&mut self.out, key);
        self
    }

    pub(crate) fn map(&mut self, entries: u64) {
        write_head(&mut self.out, Major::Map, entries);
    }

    pub(crate) fn text(
        &mut self,
        field: &'static str,
        text: &str,
        max_bytes: usize,
    ) -> Result<(), WireError> {
        check_field_len(field, len_arg(text.len()), max_bytes)?;
        write_text(&mut self.out, text);
        Ok(())
    }

    pub(crate) fn bytes(
        &mut self,
        field: &'static str,
        bytes: &[u8],
        max_bytes: usize,
    ) -> Result<(), WireError> {
        check_field_len(field, len_arg(bytes.len()), max_bytes)?;
        write_bytes(&mut self.out, bytes);
        Ok(())
    }

    pub(crate) fn uint(&mut self, value: u64) {
        write_head(&mut self.out, Major::Uint, value);
    }

    pub(crate) fn int(&mut self, value: i64) {
        let major = if value < 0 { Major::NegInt } else { Major::Uint };
        let magnitude = if value < 0 { !value } else { value };
        write_head(&mut self.out, major, magnitude.unsigned_abs());
    }

    pub(crate) fn bool(&mut self, value: bool) {
        write_head(&mut self.out, Major::Simple, if value { SIMPLE_TRUE } else { SIMPLE_FALSE });
    }

    pub(crate) fn uint_or_null(&mut self, value: Option<u64>) {
        match value {
            Some(value) => self.uint(value),
            None => write_head(&mut self.out, Major::Simple, SIMPLE_NULL),
        }
    }

    pub(crate) fn int_or_null(&mut self, value: Option<i64>) {
        match value {
            Some(value) => self.int(value),
            None => write_head(&mut self.out, Major::Simple, SIMPLE_NULL),
        }
    }

    pub(crate) fn value(&mut self, value: RawValue<'_>) {
        self.out.extend_from_slice(value.as_bytes());
    }

    pub(crate) fn named_values(
        &mut self,
        field: &'static str,
        named: NamedValues<'_>,
    ) -> Result<(), WireError> {
        check_distinct(field, named)?;
        self.value(named.as_value());
        Ok(())
    }

    pub(crate) fn list<T>(
        &mut self,
        field: &'static str,
        list: &[T],
        max_count: usize,
        mut entry: impl FnMut(&mut Self, &T) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        check_count(field, len_arg(list.len()), max_count)?;
        write_head(&mut self.out, Major::Array, len_arg(list.len()));
        list.iter().try_for_each(|item| entry(self, item))
    }

    pub(crate) fn texts(
        &mut self,
        field: &'static str,
        texts: &[&str],
        max_bytes: usize,
    ) -> Result<(), WireError> {
        self.list(field, texts, MAX_LIST_ENTRIES, |entry, text| entry.text(field, text, max_bytes))
    }

    pub(crate) fn pair(
        &mut self,
        fields: [&'static str; 2],
        texts: (&str, &str),
        max_bytes: [usize; 2],
    ) -> Result<(), WireError> {
        let ([first, second], [first_max, second_max]) = (fields, max_bytes);
        write_head(&mut self.out, Major::Array, 2);
        self.text(first, texts.0, first_max)?;
        self.text(second, texts.1, second_max)
    }

    pub(crate) fn text_and_bytes(
        &mut self,
        field: &'static str,
        (text, bytes): (&str, &[u8]),
        max_bytes: usize,
    ) -> Result<(), WireError> {
        write_head(&mut self.out, Major::Array, 2);
        self.text(field, text, max_bytes)?;
        self.bytes(field, bytes, max_bytes)
    }

    /// Fills the header in and returns the frame.
    pub(crate) fn finish(mut self, kind: FrameKind, seq: u32) -> Result<Vec<u8>, WireError> {
        let len_bytes = self.out.len();
        check_frame_len(len_bytes)?;
        let body_len = u32::try_from(len_bytes.saturating_sub(FRAME_HEADER_BYTES)).unwrap_or(u32::MAX);
        let header = FrameHeader { kind, body_len, seq }.encode();
        if let Some(room) = self.out.first_chunk_mut() {
            *room = header;
        }
        Ok(self.out)
    }
}

fn check_field_len(field: &'static str, len: u64, max_bytes: usize) -> Result<(), WireError> {
    let len_bytes = usize::try_from(len).unwrap_or(usize::MAX);
    if len_bytes <= max_bytes { Ok(()) } else { Err(WireError::FieldTooLong { field, len_bytes, max_bytes }) }
}

fn check_count(field: &'static str, count: u64, max_count: usize) -> Result<(), WireError> {
    if count <= len_arg(max_count) {
        Ok(())
    } else {
        Err(WireError::TooManyEntries { field, count, max_count })
    }
}

/// Checks that no name occurs twice. Sorting keeps a hostile map of many names from costing quadratic time.
fn check_distinct(field: &'static str, named: NamedValues<'_>) -> Result<(), WireError> {
    let mut names: Vec<&str> = named.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    for (one, next) in names.iter().zip(names.iter().skip(1)) {
        if one == next {
            return Err(WireError::DuplicateName { field, len_bytes: one.len() });
        }
    }
    Ok(())
}

/// Moves the offset of an error in a value to where the value stands in the body.
fn shift(error: WireError, by: usize) -> WireError {
    use WireError as E;
    let moved = |offset: usize| offset.saturating_add(by);
    match error {
        E::Truncated { offset } => E::Truncated { offset: moved(offset) },
        E::Malformed { offset } => E::Malformed { offset: moved(offset) },
        E::IndefiniteLength { offset } => E::IndefiniteLength { offset: moved(offset) },
        E::InvalidUtf8 { offset } => E::InvalidUtf8 { offset: moved(offset) },
        E::ValueTooDeep { offset, max_depth } => E::ValueTooDeep { offset: moved(offset), max_depth },
        E::TooManyItems { offset, max_items } => E::TooManyItems { offset: moved(offset), max_items },
        E::UnknownTag { tag, offset } => E::UnknownTag { tag, offset: moved(offset) },
        E::TagContent { tag, offset } => E::TagContent { tag, offset: moved(offset) },
        E::UnknownSimple { value, offset } => E::UnknownSimple { value, offset: moved(offset) },
        E::WrongType { expected, offset } => E::WrongType { expected, offset: moved(offset) },
        other => other,
    }
}
