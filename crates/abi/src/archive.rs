//! The files of an image as one block of bytes: a header, a table of entries, their names, page-aligned contents.
//!
//! ```text
//! 0         64                  names_off         data_off (page)                     total_len (page)
//! | header  | entries, 48 each  | names           | contents, each from a page on     |
//! ```
//!
//! Guarantees: no bytes make the reader panic or read outside of the archive; what it cannot follow is an
//! [`ArchiveError`]. The children of a directory stand together, sorted by name, after their directory, so a lookup is
//! a binary search and a walk ends. It must never follow symbolic links; that is the file system's business.
//!
//! Before: the builder (`ArchiveBuilder`) on the host. After: the guest kernel's file system maps contents in place.

use core::fmt;

use crate::limits::{MAX_ARCHIVE_LINK_BYTES, MAX_ARCHIVE_NAME_BYTES};

#[cfg(feature = "std")]
mod builder;
#[cfg(feature = "std")]
pub use builder::{ArchiveBuilder, BuildError};

/// First bytes of an archive; the last one is the version of this format.
pub const MAGIC: [u8; 8] = *b"HCIMG\0\0\x01";
/// Bytes of the archive's header.
pub const HEADER_BYTES: usize = 64;
/// Bytes of one entry.
pub const ENTRY_BYTES: usize = 48;
/// Alignment of contents.
pub const PAGE_BYTES: usize = 4096;

/// Number of an entry in its archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub u32);

/// The root directory.
pub const ROOT: EntryId = EntryId(0);

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
}

impl EntryKind {
    /// Returns the byte in the entry.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::File => 1,
            Self::Dir => 2,
            Self::Symlink => 3,
        }
    }
}

/// One file, directory or link; its contents are had from [`Archive::data`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its number.
    pub id: EntryId,
    /// What it is.
    pub kind: EntryKind,
    /// Its name without a path; empty for the root.
    pub name: &'a [u8],
    /// Permission bits, without the type.
    pub mode: u32,
    /// Bytes of the contents, or of a link's target.
    pub size: u64,
    /// Time of last change in seconds since 1970.
    pub mtime_s: i64,
    first_child: u32,
    child_count: u32,
    data_off: u64,
}

/// Why an archive was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named after the words of the message, which Display spells out")]
pub enum ArchiveError {
    /// Fewer bytes than a header.
    HeaderTooShort { len_bytes: usize },
    /// Not an archive, or one of another version of the format.
    BadMagic,
    /// A part lies outside of the archive, or parts overlap.
    PartOutside { part: &'static str, offset: u64, len: u64, total_bytes: usize },
    /// A part that must start on a page does not.
    Unaligned { part: &'static str, offset: u64 },
    /// A reserved field that is not zero.
    ReservedNotZero { offset: usize },
    /// A number at or above the number of entries.
    NoSuchEntry { id: u32, entry_count: u32 },
    /// A kind without a meaning.
    UnknownKind { id: u32, kind: u8 },
    /// A directory where a file is due, or the reverse.
    WrongKind { id: u32, expected: &'static str },
    /// Children that do not exist, or that do not stand after their directory.
    BadChildren { id: u32, first_child: u32, child_count: u32 },
    /// Children that are not sorted by name, or two of one name.
    Unsorted { id: u32 },
    /// A name that is empty, too long, `.`, `..`, or has a slash or a zero byte.
    BadName { id: u32, len_bytes: usize },
    /// A link's target that is empty, too long, or has a zero byte.
    BadLink { id: u32, len_bytes: u64 },
    /// An entry that belongs to no directory, or to two.
    BadTree { id: u32 },
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::HeaderTooShort { len_bytes } => {
                write!(f, "archive of {len_bytes} bytes is shorter than its header of {HEADER_BYTES}")
            }
            Self::BadMagic => write!(f, "archive does not start with the magic of format 1"),
            Self::PartOutside { part, offset, len, total_bytes } => {
                write!(f, "{part} of {len} bytes at {offset} does not fit an archive of {total_bytes}")
            }
            Self::Unaligned { part, offset } => {
                write!(f, "{part} at {offset} is not aligned to {PAGE_BYTES}")
            }
            Self::ReservedNotZero { offset } => write!(f, "reserved field at byte {offset} is not 0"),
            Self::NoSuchEntry { id, entry_count } => {
                write!(f, "entry {id} does not exist among {entry_count}")
            }
            Self::UnknownKind { id, kind } => write!(f, "kind {kind} of entry {id} has no meaning"),
            Self::WrongKind { id, expected } => write!(f, "entry {id} is not {expected}"),
            Self::BadChildren { id, first_child, child_count } => {
                write!(f, "directory {id} claims {child_count} entries from {first_child} on")
            }
            Self::Unsorted { id } => write!(f, "entry {id} is not sorted behind the one before it"),
            Self::BadName { id, len_bytes } => {
                write!(f, "name of {len_bytes} bytes of entry {id} is no file name")
            }
            Self::BadLink { id, len_bytes } => {
                write!(f, "link target of {len_bytes} bytes of entry {id} is no path")
            }
            Self::BadTree { id } => write!(f, "entry {id} does not belong to exactly one directory"),
        }
    }
}

impl core::error::Error for ArchiveError {}

/// An archive whose header has been checked; entries are checked as they are read.
#[derive(Debug, Clone, Copy)]
pub struct Archive<'a> {
    bytes: &'a [u8],
    entries: &'a [u8],
    names: &'a [u8],
    entry_count: u32,
    data_off: u64,
}

impl<'a> Archive<'a> {
    /// Checks the header. Bytes behind the archive are ignored, so that it may lie in a larger mapping.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::HeaderTooShort`], [`ArchiveError::BadMagic`], [`ArchiveError::ReservedNotZero`],
    /// [`ArchiveError::PartOutside`] or [`ArchiveError::Unaligned`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ArchiveError> {
        let header =
            bytes.get(..HEADER_BYTES).ok_or(ArchiveError::HeaderTooShort { len_bytes: bytes.len() })?;
        if !header.starts_with(&MAGIC) {
            return Err(ArchiveError::BadMagic);
        }
        if read_u64(header, 48) != 0 || read_u64(header, 56) != 0 {
            return Err(ArchiveError::ReservedNotZero { offset: 48 });
        }
        let entry_count = read_u32(header, 8);
        let total_len = read_u64(header, 40);
        let bytes = part(bytes, "archive", 0, total_len)?;
        let page_bytes = u64::try_from(PAGE_BYTES).unwrap_or(u64::MAX);
        if !total_len.is_multiple_of(page_bytes) {
            return Err(ArchiveError::Unaligned { part: "end", offset: total_len });
        }
        let entries_len =
            u64::from(entry_count).saturating_mul(u64::try_from(ENTRY_BYTES).unwrap_or(u64::MAX));
        let entries = part(bytes, "entries", u64::from(read_u32(header, 12)), entries_len)?;
        let names = part(bytes, "names", read_u64(header, 16), read_u64(header, 24))?;
        let data_off = read_u64(header, 32);
        part(bytes, "contents", data_off, total_len.saturating_sub(data_off))?;
        if !data_off.is_multiple_of(page_bytes) {
            return Err(ArchiveError::Unaligned { part: "contents", offset: data_off });
        }
        Ok(Self { bytes, entries, names, entry_count, data_off })
    }

    /// Checks every entry: that all reads of this archive will succeed and that it is one tree.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, in the order of entries.
    pub fn check(&self) -> Result<(), ArchiveError> {
        let root = self.entry(ROOT)?;
        if root.kind != EntryKind::Dir {
            return Err(ArchiveError::WrongKind { id: 0, expected: "a directory" });
        }
        // Directories in order own the ranges of entries in order: so each entry but the root is owned once.
        let mut next_child = 1;
        for id in 0..self.entry_count {
            let entry = self.entry(EntryId(id))?;
            if id >= next_child {
                return Err(ArchiveError::BadTree { id });
            }
            let is_name = if id == 0 { entry.name.is_empty() } else { is_file_name(entry.name) };
            if !is_name {
                return Err(ArchiveError::BadName { id, len_bytes: entry.name.len() });
            }
            match entry.kind {
                EntryKind::File => self.pages(EntryId(id)).map(drop)?,
                EntryKind::Symlink => self.link_target(EntryId(id)).map(drop)?,
                EntryKind::Dir => {
                    if entry.child_count > 0 && entry.first_child != next_child {
                        return Err(ArchiveError::BadTree { id });
                    }
                    next_child = next_child.saturating_add(entry.child_count);
                    self.check_sorted(&entry)?;
                }
            }
        }
        if next_child == self.entry_count { Ok(()) } else { Err(ArchiveError::BadTree { id: next_child }) }
    }

    fn check_sorted(&self, dir: &Entry<'a>) -> Result<(), ArchiveError> {
        let mut last: Option<&[u8]> = None;
        for id in self.children(dir.id)? {
            let name = self.entry(id)?.name;
            if last.is_some_and(|last| last >= name) {
                return Err(ArchiveError::Unsorted { id: id.0 });
            }
            last = Some(name);
        }
        Ok(())
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn entry_count(&self) -> u32 {
        self.entry_count
    }

    /// Returns an entry.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::NoSuchEntry`], [`ArchiveError::UnknownKind`], [`ArchiveError::ReservedNotZero`], or
    /// [`ArchiveError::PartOutside`] for its name.
    pub fn entry(&self, id: EntryId) -> Result<Entry<'a>, ArchiveError> {
        let no_entry = ArchiveError::NoSuchEntry { id: id.0, entry_count: self.entry_count };
        let start = usize::try_from(id.0).ok().and_then(|id| id.checked_mul(ENTRY_BYTES)).ok_or(no_entry)?;
        let raw = self.entries.get(start..start.saturating_add(ENTRY_BYTES)).ok_or(no_entry)?;
        let [kind, reserved] = read_array(raw, 6);
        if reserved != 0 || read_u32(raw, 20) != 0 {
            return Err(ArchiveError::ReservedNotZero { offset: start });
        }
        let kind = match kind {
            1 => EntryKind::File,
            2 => EntryKind::Dir,
            3 => EntryKind::Symlink,
            kind => return Err(ArchiveError::UnknownKind { id: id.0, kind }),
        };
        let name_len = u16::from_le_bytes(read_array(raw, 4));
        let name = part(self.names, "name", u64::from(read_u32(raw, 0)), u64::from(name_len))?;
        Ok(Entry {
            id,
            kind,
            name,
            mode: read_u32(raw, 8),
            first_child: read_u32(raw, 12),
            child_count: read_u32(raw, 16),
            data_off: read_u64(raw, 24),
            size: read_u64(raw, 32),
            mtime_s: i64::from_le_bytes(read_array(raw, 40)),
        })
    }

    /// Returns the entries of a directory, sorted by name.
    ///
    /// # Errors
    ///
    /// As [`Archive::entry`], [`ArchiveError::WrongKind`] or [`ArchiveError::BadChildren`].
    pub fn children(
        &self,
        dir: EntryId,
    ) -> Result<impl ExactSizeIterator<Item = EntryId> + use<>, ArchiveError> {
        let (first, count) = self.child_range(dir)?;
        Ok((first..first.saturating_add(count)).map(EntryId))
    }

    fn child_range(&self, dir: EntryId) -> Result<(u32, u32), ArchiveError> {
        let entry = self.entry(dir)?;
        if entry.kind != EntryKind::Dir {
            return Err(ArchiveError::WrongKind { id: dir.0, expected: "a directory" });
        }
        let Entry { first_child, child_count, .. } = entry;
        if child_count == 0 {
            return Ok((0, 0));
        }
        match first_child.checked_add(child_count) {
            Some(end) if end <= self.entry_count && first_child > dir.0 => Ok((first_child, child_count)),
            _ => Err(ArchiveError::BadChildren { id: dir.0, first_child, child_count }),
        }
    }

    /// Returns the entry of this name in a directory, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Archive::children`] and [`Archive::entry`].
    pub fn lookup(&self, dir: EntryId, name: &[u8]) -> Result<Option<Entry<'a>>, ArchiveError> {
        let (mut low, mut left) = self.child_range(dir)?;
        while left > 0 {
            let half = left >> 1;
            let middle = low.saturating_add(half);
            let entry = self.entry(EntryId(middle))?;
            match entry.name.cmp(name) {
                core::cmp::Ordering::Equal => return Ok(Some(entry)),
                core::cmp::Ordering::Greater => left = half,
                core::cmp::Ordering::Less => {
                    low = middle.saturating_add(1);
                    left = left.saturating_sub(half).saturating_sub(1);
                }
            }
        }
        Ok(None)
    }

    /// Returns the entry at a path of names between slashes, from the root; links are not followed.
    ///
    /// # Errors
    ///
    /// As [`Archive::lookup`]. A path through something that is no directory is `None`.
    pub fn lookup_path(&self, path: &[u8]) -> Result<Option<Entry<'a>>, ArchiveError> {
        let mut at = self.entry(ROOT)?;
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            if at.kind != EntryKind::Dir {
                return Ok(None);
            }
            match self.lookup(at.id, name)? {
                Some(entry) => at = entry,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// Returns the contents of a file.
    ///
    /// # Errors
    ///
    /// As [`Archive::pages`].
    pub fn data(&self, id: EntryId) -> Result<&'a [u8], ArchiveError> {
        let entry = self.entry(id)?;
        part(self.pages(id)?, "contents", 0, entry.size)
    }

    /// Returns the contents of a file with the zeros up to the end of its last page. It starts on a page if the archive
    /// does.
    ///
    /// # Errors
    ///
    /// As [`Archive::entry`], [`ArchiveError::WrongKind`], [`ArchiveError::Unaligned`] or
    /// [`ArchiveError::PartOutside`].
    pub fn pages(&self, id: EntryId) -> Result<&'a [u8], ArchiveError> {
        let entry = self.entry(id)?;
        if entry.kind != EntryKind::File {
            return Err(ArchiveError::WrongKind { id: id.0, expected: "a file" });
        }
        self.contents(&entry)
    }

    /// Returns the target of a symbolic link.
    ///
    /// # Errors
    ///
    /// As [`Archive::pages`], and [`ArchiveError::BadLink`].
    pub fn link_target(&self, id: EntryId) -> Result<&'a [u8], ArchiveError> {
        let entry = self.entry(id)?;
        if entry.kind != EntryKind::Symlink {
            return Err(ArchiveError::WrongKind { id: id.0, expected: "a symbolic link" });
        }
        let target = part(self.contents(&entry)?, "link target", 0, entry.size)?;
        if is_link_target(target) {
            Ok(target)
        } else {
            Err(ArchiveError::BadLink { id: id.0, len_bytes: entry.size })
        }
    }

    fn contents(&self, entry: &Entry<'a>) -> Result<&'a [u8], ArchiveError> {
        if entry.size == 0 {
            return Ok(&[]);
        }
        let page_bytes = u64::try_from(PAGE_BYTES).unwrap_or(u64::MAX);
        let Entry { data_off, size, .. } = *entry;
        if !data_off.is_multiple_of(page_bytes) {
            return Err(ArchiveError::Unaligned { part: "contents", offset: data_off });
        }
        let total_bytes = self.bytes.len();
        let outside =
            ArchiveError::PartOutside { part: "contents", offset: data_off, len: size, total_bytes };
        if data_off < self.data_off {
            return Err(outside);
        }
        let padded = size.checked_next_multiple_of(page_bytes).ok_or(outside)?;
        part(self.bytes, "contents", data_off, padded)
    }
}

/// Returns whether `name` can be the name of an entry.
fn is_file_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= MAX_ARCHIVE_NAME_BYTES
        && name != b"."
        && name != b".."
        && !name.contains(&b'/')
        && !name.contains(&0)
}

/// Returns whether `target` can be where a link points.
fn is_link_target(target: &[u8]) -> bool {
    !target.is_empty() && target.len() <= MAX_ARCHIVE_LINK_BYTES && !target.contains(&0)
}

/// Returns `len` bytes at `offset`, or an error that names the part.
fn part<'a>(bytes: &'a [u8], part: &'static str, offset: u64, len: u64) -> Result<&'a [u8], ArchiveError> {
    let range = || {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(len).ok()?)?;
        bytes.get(start..end)
    };
    range().ok_or(ArchiveError::PartOutside { part, offset, len, total_bytes: bytes.len() })
}

/// Reads N bytes of a header or entry whose length has been checked; zeros past its end.
fn read_array<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes.get(offset..).and_then(|tail| tail.first_chunk()).copied().unwrap_or([0; N])
}

fn read_u32(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(read_array(bytes, offset))
}

fn read_u64(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(read_array(bytes, offset))
}
