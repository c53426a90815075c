//! Why bytes were refused: one variant a cause, with the offending value and the limit.
//!
//! Guarantees: an error holds no bytes of the input beyond numbers, so it may be logged.
//!
//! Before: nothing. After: every other module of this crate returns it.

use core::fmt;

use crate::frame::FrameKind;

/// A reason to refuse bytes, or to refuse to send a message that the other side would refuse.
///
/// Offsets count bytes from the start of what was decoded: a header, a body, or a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named after the words of the message, which Display spells out")]
pub enum WireError {
    /// Fewer bytes than the fixed header.
    HeaderTooShort { len_bytes: usize, need_bytes: usize },
    /// Not one of ours, or not at the place where one starts.
    BadMagic { found: u32, expected: u32 },
    /// The other side was built from another version.
    VersionMismatch { found: u16, supported: u16 },
    /// A header field that must be zero is not.
    ReservedNotZero { offset: usize, value: u32 },
    /// A flag without a meaning.
    UnknownFlags { flags: u32 },
    /// A frame kind without a meaning.
    UnknownKind { kind: u16 },
    /// A known frame kind, sent by or to a party that it is not for.
    WrongDirection { kind: FrameKind, expected: &'static str },
    /// A frame above the cap; seen from the header alone.
    FrameTooLong { len_bytes: usize, max_bytes: usize },
    /// The bytes at hand are more or fewer than the header announces.
    FrameLength { len_bytes: usize, claimed_bytes: usize },
    /// A guest frame that does not answer the last host frame.
    SeqMismatch { found: u32, expected: u32 },
    /// An item ends after the input, or claims more elements than there are bytes.
    Truncated { offset: usize },
    /// Bytes that CBOR reserves.
    Malformed { offset: usize },
    /// A string, array or map of indefinite length, or a stray break.
    IndefiniteLength { offset: usize },
    /// Text that is not UTF-8.
    InvalidUtf8 { offset: usize },
    /// Bytes after the one item that was due.
    TrailingBytes { offset: usize, len_bytes: usize },
    /// A value above [`crate::limits::MAX_VALUE_BYTES`].
    ValueTooLong { len_bytes: usize, max_bytes: usize },
    /// Arrays and maps nested too deeply.
    ValueTooDeep { offset: usize, max_depth: usize },
    /// Too many data items in a value.
    TooManyItems { offset: usize, max_items: usize },
    /// A big integer above [`crate::limits::MAX_INT_BYTES`].
    IntTooLong { len_bytes: u64, max_bytes: usize },
    /// A tag that no value uses.
    UnknownTag { tag: u64, offset: usize },
    /// A known tag around something else than it is for.
    TagContent { tag: u64, offset: usize },
    /// A simple value other than false, true and null.
    UnknownSimple { value: u64, offset: usize },
    /// A well-formed item of another type than the message has there.
    WrongType { expected: &'static str, offset: usize },
    /// A key that the message does not have.
    UnknownField { message: FrameKind, offset: usize },
    /// A key that occurs twice in a message.
    RepeatedField { message: FrameKind, field: &'static str },
    /// A key that the message must have.
    MissingField { message: FrameKind, field: &'static str },
    /// A key that must not stand beside another one.
    ConflictingField { message: FrameKind, field: &'static str },
    /// An operation that the message does not have.
    UnknownOperation { message: FrameKind, len_bytes: usize },
    /// A text or byte string above its limit.
    FieldTooLong { field: &'static str, len_bytes: usize, max_bytes: usize },
    /// A list above its limit.
    TooManyEntries { field: &'static str, count: u64, max_count: usize },
    /// A number or length outside the field's range.
    FieldRange { field: &'static str, value: u64 },
    /// A name that occurs twice among inputs or arguments.
    DuplicateName { field: &'static str, len_bytes: usize },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::HeaderTooShort { len_bytes, need_bytes } => {
                write!(f, "header of {len_bytes} bytes is shorter than {need_bytes}")
            }
            Self::BadMagic { found, expected } => write!(f, "magic {found:#010x} is not {expected:#010x}"),
            Self::VersionMismatch { found, supported } => {
                write!(f, "abi version {found} is not {supported}")
            }
            Self::ReservedNotZero { offset, value } => {
                write!(f, "reserved header field at byte {offset} is {value}, not 0")
            }
            Self::UnknownFlags { flags } => write!(f, "header flags {flags:#x} have no meaning"),
            Self::UnknownKind { kind } => write!(f, "frame kind {kind:#06x} has no meaning"),
            Self::WrongDirection { kind, expected } => {
                write!(f, "frame {} stands where {expected} is due", kind.name())
            }
            Self::FrameTooLong { len_bytes, max_bytes } => {
                write!(f, "frame of {len_bytes} bytes exceeds {max_bytes}")
            }
            Self::FrameLength { len_bytes, claimed_bytes } => {
                write!(f, "frame has {len_bytes} bytes where its header announces {claimed_bytes}")
            }
            Self::SeqMismatch { found, expected } => {
                write!(f, "frame answers sequence number {found}, not {expected}")
            }
            Self::Truncated { offset } => write!(f, "item at byte {offset} ends after the input"),
            Self::Malformed { offset } => write!(f, "byte {offset} starts no cbor item"),
            Self::IndefiniteLength { offset } => write!(f, "item at byte {offset} has indefinite length"),
            Self::InvalidUtf8 { offset } => write!(f, "text at byte {offset} is not utf-8"),
            Self::TrailingBytes { offset, len_bytes } => {
                write!(f, "item ends at byte {offset}, {len_bytes} bytes follow")
            }
            Self::ValueTooLong { len_bytes, max_bytes } => {
                write!(f, "value of {len_bytes} bytes exceeds {max_bytes}")
            }
            Self::ValueTooDeep { offset, max_depth } => {
                write!(f, "value is nested deeper than {max_depth} levels at byte {offset}")
            }
            Self::TooManyItems { offset, max_items } => {
                write!(f, "value has more than {max_items} items at byte {offset}")
            }
            Self::IntTooLong { len_bytes, max_bytes } => {
                write!(f, "integer of {len_bytes} bytes exceeds {max_bytes}")
            }
            Self::UnknownTag { tag, offset } => write!(f, "tag {tag} at byte {offset} has no meaning"),
            Self::TagContent { tag, offset } => {
                write!(f, "tag {tag} holds the wrong kind of item at byte {offset}")
            }
            Self::UnknownSimple { value, offset } => {
                write!(f, "simple value {value} at byte {offset} has no meaning")
            }
            Self::WrongType { expected, offset } => write!(f, "item at byte {offset} is not {expected}"),
            Self::UnknownField { message, offset } => {
                write!(f, "{} has no key like the one at byte {offset}", message.name())
            }
            Self::RepeatedField { message, field } => {
                write!(f, "{} has the key {field:?} twice", message.name())
            }
            Self::MissingField { message, field } => {
                write!(f, "{} lacks the key {field:?}", message.name())
            }
            Self::ConflictingField { message, field } => {
                write!(f, "{} cannot have the key {field:?} here", message.name())
            }
            Self::UnknownOperation { message, len_bytes } => {
                write!(f, "{} has no operation like the one of {len_bytes} bytes", message.name())
            }
            Self::FieldTooLong { field, len_bytes, max_bytes } => {
                write!(f, "{field} of {len_bytes} bytes exceeds {max_bytes}")
            }
            Self::TooManyEntries { field, count, max_count } => {
                write!(f, "{field} with {count} entries exceeds {max_count}")
            }
            Self::FieldRange { field, value } => write!(f, "{field} is {value}, which is out of range"),
            Self::DuplicateName { field, len_bytes } => {
                write!(f, "{field} has a name of {len_bytes} bytes twice")
            }
        }
    }
}

impl core::error::Error for WireError {}
