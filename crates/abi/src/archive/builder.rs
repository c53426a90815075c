//! Writes an archive from paths and contents.
//!
//! Guarantees: equal calls in any order give equal bytes; the result passes [`Archive::check`](super::Archive::check).
//! It must never read files itself: the image builder decides what goes in.
//!
//! Before: the host's image builder. After: `archive` reads it in the guest.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use std::io::{self, Write};

use super::{ENTRY_BYTES, EntryKind, HEADER_BYTES, MAGIC, PAGE_BYTES, is_file_name, is_link_target};

/// Permission bits of directories that nobody added.
const IMPLIED_DIR_MODE: u32 = 0o755;
/// Permission bits of every symbolic link, as on Linux.
const SYMLINK_MODE: u32 = 0o777;
/// The permission bits of a mode.
const MODE_MASK: u32 = 0o7777;

/// Collects files, directories and links, then writes them.
#[derive(Debug)]
pub struct ArchiveBuilder {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    mode: u32,
    mtime_s: i64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    File(Vec<u8>),
    /// Children by name, each an index of `nodes`.
    Dir(BTreeMap<Vec<u8>, usize>),
    Symlink(Vec<u8>),
}

impl Content {
    fn kind(&self) -> EntryKind {
        match self {
            Self::File(_) => EntryKind::File,
            Self::Dir(_) => EntryKind::Dir,
            Self::Symlink(_) => EntryKind::Symlink,
        }
    }

    /// Returns what stands in the part for contents.
    fn bytes(&self) -> &[u8] {
        match self {
            Self::File(bytes) | Self::Symlink(bytes) => bytes,
            Self::Dir(_) => &[],
        }
    }
}

/// Why something cannot go into an archive.
#[derive(Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named after the words of the message, which Display spells out")]
pub enum BuildError {
    /// A path with a part that is no file name, or an empty path for a file or link.
    BadPath { path: Vec<u8> },
    /// A second entry of one path.
    Duplicate { path: Vec<u8> },
    /// A path through a file or link.
    NotADirectory { path: Vec<u8> },
    /// A link to nowhere, or to more than a path's length.
    BadLink { path: Vec<u8>, len_bytes: usize },
    /// More entries or names than 32 bits can number.
    TooLarge { what: &'static str, count: usize },
    /// The archive could not be written.
    Write(io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadPath { path } => write!(f, "{} is no path in an image", path.escape_ascii()),
            Self::Duplicate { path } => write!(f, "{} is in the image already", path.escape_ascii()),
            Self::NotADirectory { path } => {
                write!(f, "{} leads through something that is no directory", path.escape_ascii())
            }
            Self::BadLink { path, len_bytes } => {
                write!(f, "{} has a link target of {len_bytes} bytes that is no path", path.escape_ascii())
            }
            Self::TooLarge { what, count } => write!(f, "{count} {what} exceed {}", u32::MAX),
            Self::Write(_) => write!(f, "archive could not be written"),
        }
    }
}

impl core::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Write(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for BuildError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl Default for ArchiveBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ArchiveBuilder {
    /// Starts with an empty root directory.
    #[must_use]
    pub fn new() -> Self {
        let root = Node { mode: IMPLIED_DIR_MODE, mtime_s: 0, content: Content::Dir(BTreeMap::new()) };
        Self { nodes: Vec::from([root]) }
    }

    /// Adds a directory, and those above it. If it is there already, it gets this mode and time.
    ///
    /// # Errors
    ///
    /// [`BuildError::BadPath`], [`BuildError::NotADirectory`] or [`BuildError::Duplicate`] with a file or link.
    pub fn add_dir(&mut self, path: impl AsRef<[u8]>, mode: u32, mtime_s: i64) -> Result<(), BuildError> {
        let path = path.as_ref();
        let names = split(path)?;
        let mut at = 0;
        for name in &names {
            at = self.dir_in(at, name, path)?;
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.mode = mode & MODE_MASK;
            node.mtime_s = mtime_s;
        }
        Ok(())
    }

    /// Adds a file, and the directories above it. Of `mode` only the permission bits are kept.
    ///
    /// # Errors
    ///
    /// [`BuildError::BadPath`], [`BuildError::NotADirectory`] or [`BuildError::Duplicate`].
    pub fn add_file(
        &mut self,
        path: impl AsRef<[u8]>,
        mode: u32,
        mtime_s: i64,
        contents: impl Into<Vec<u8>>,
    ) -> Result<(), BuildError> {
        let content = Content::File(contents.into());
        self.add_leaf(path.as_ref(), Node { mode: mode & MODE_MASK, mtime_s, content })
    }

    /// Adds a symbolic link, and the directories above it. The target need not exist.
    ///
    /// # Errors
    ///
    /// As [`ArchiveBuilder::add_file`], and [`BuildError::BadLink`].
    pub fn add_symlink(
        &mut self,
        path: impl AsRef<[u8]>,
        mtime_s: i64,
        target: impl AsRef<[u8]>,
    ) -> Result<(), BuildError> {
        let (path, target) = (path.as_ref(), target.as_ref());
        if !is_link_target(target) {
            return Err(BuildError::BadLink { path: path.to_vec(), len_bytes: target.len() });
        }
        let content = Content::Symlink(target.to_vec());
        self.add_leaf(path, Node { mode: SYMLINK_MODE, mtime_s, content })
    }

    fn add_leaf(&mut self, path: &[u8], node: Node) -> Result<(), BuildError> {
        let names = split(path)?;
        let (last, above) = names.split_last().ok_or_else(|| BuildError::BadPath { path: path.to_vec() })?;
        let mut at = 0;
        for name in above {
            at = self.dir_in(at, name, path)?;
        }
        let id = self.nodes.len();
        let children = self.children_mut(at, path)?;
        if children.contains_key(*last) {
            return Err(BuildError::Duplicate { path: path.to_vec() });
        }
        children.insert(last.to_vec(), id);
        self.nodes.push(node);
        Ok(())
    }

    /// Returns the directory of this name in a directory, which is made if it is not there.
    fn dir_in(&mut self, dir: usize, name: &[u8], path: &[u8]) -> Result<usize, BuildError> {
        let id = self.nodes.len();
        let children = self.children_mut(dir, path)?;
        if let Some(child) = children.get(name).copied() {
            self.children_mut(child, path)?;
            return Ok(child);
        }
        children.insert(name.to_vec(), id);
        self.nodes.push(Node { mode: IMPLIED_DIR_MODE, mtime_s: 0, content: Content::Dir(BTreeMap::new()) });
        Ok(id)
    }

    fn children_mut(&mut self, id: usize, path: &[u8]) -> Result<&mut BTreeMap<Vec<u8>, usize>, BuildError> {
        match self.nodes.get_mut(id).map(|node| &mut node.content) {
            Some(Content::Dir(children)) => Ok(children),
            _ => Err(BuildError::NotADirectory { path: path.to_vec() }),
        }
    }

    /// Returns the archive.
    ///
    /// # Errors
    ///
    /// [`BuildError::TooLarge`].
    pub fn finish(&self) -> Result<Vec<u8>, BuildError> {
        let mut out = Vec::new();
        self.write_to(&mut out)?;
        Ok(out)
    }

    /// Writes the archive from front to back, without a second copy of the contents.
    ///
    /// # Errors
    ///
    /// [`BuildError::TooLarge`] or [`BuildError::Write`].
    pub fn write_to(&self, out: &mut impl Write) -> Result<(), BuildError> {
        // Breadth first: a directory's children stand together, behind the directory.
        let mut order: Vec<(&[u8], &Node)> =
            self.nodes.first().map(|root| (&[][..], root)).into_iter().collect();
        let mut names: Vec<u8> = Vec::new();
        let mut table: Vec<u8> = Vec::new();
        let entries_len = self.nodes.len().saturating_mul(ENTRY_BYTES);
        let names_off = HEADER_BYTES.saturating_add(entries_len);
        let names_len: usize = self.children_names().map(<[u8]>::len).sum();
        let data_off = page_end(names_off.saturating_add(names_len));
        let mut next_data = data_off;
        let mut done = 0usize;
        while let Some((name, node)) = order.get(done).copied() {
            done = done.saturating_add(1);
            let first_child = order.len();
            if let Content::Dir(children) = &node.content {
                let known = children.iter().filter_map(|(name, id)| Some((&name[..], self.nodes.get(*id)?)));
                order.extend(known);
            }
            let child_count = order.len().saturating_sub(first_child);
            let size = node.content.bytes().len();
            table.extend(to_u32("bytes of names", names.len())?.to_le_bytes());
            table.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
            table.extend([node.content.kind().code(), 0]);
            table.extend(node.mode.to_le_bytes());
            table.extend(to_u32("entries", if child_count == 0 { 0 } else { first_child })?.to_le_bytes());
            table.extend(to_u32("entries", child_count)?.to_le_bytes());
            table.extend([0; 4]);
            table.extend(to_u64(if size == 0 { 0 } else { next_data }).to_le_bytes());
            table.extend(to_u64(size).to_le_bytes());
            table.extend(node.mtime_s.to_le_bytes());
            names.extend_from_slice(name);
            next_data = page_end(next_data.saturating_add(size));
        }
        out.write_all(&MAGIC)?;
        out.write_all(&to_u32("entries", order.len())?.to_le_bytes())?;
        out.write_all(&to_u32("bytes of header", HEADER_BYTES)?.to_le_bytes())?;
        for number in [names_off, names_len, data_off, next_data, 0, 0] {
            out.write_all(&to_u64(number).to_le_bytes())?;
        }
        out.write_all(&table)?;
        out.write_all(&names)?;
        pad(out, names_off.saturating_add(names_len))?;
        for (_, node) in order {
            out.write_all(node.content.bytes())?;
            pad(out, node.content.bytes().len())?;
        }
        Ok(())
    }

    fn children_names(&self) -> impl Iterator<Item = &[u8]> {
        self.nodes
            .iter()
            .filter_map(|node| match &node.content {
                Content::Dir(children) => Some(children.keys().map(Vec::as_slice)),
                _ => None,
            })
            .flatten()
    }
}

/// Splits a path into its names. A leading or doubled slash means nothing.
fn split(path: &[u8]) -> Result<Vec<&[u8]>, BuildError> {
    let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
    if names.iter().all(|name| is_file_name(name)) {
        Ok(names)
    } else {
        Err(BuildError::BadPath { path: path.to_vec() })
    }
}

/// Writes zeros to the end of the page in which `len` ends.
fn pad(out: &mut impl Write, len: usize) -> io::Result<()> {
    let zeros = [0; PAGE_BYTES];
    let missing = page_end(len).saturating_sub(len);
    out.write_all(zeros.get(..missing).unwrap_or_default())
}

fn page_end(len: usize) -> usize {
    len.checked_next_multiple_of(PAGE_BYTES).unwrap_or(usize::MAX)
}

fn to_u32(what: &'static str, count: usize) -> Result<u32, BuildError> {
    u32::try_from(count).map_err(|_| BuildError::TooLarge { what, count })
}

fn to_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
