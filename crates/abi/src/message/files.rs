//! Files of the host: what the guest kernel asks about its mounts, and what the host answers.
//!
//! Guarantees and limits as in [`super`]. Paths and names are bytes, as on Linux. It must never decide whether a path stays
//! in its mount; the host's mount gate does.
//!
//! Before: `guest` and `host`. After: `fields`.

use alloc::vec::Vec;

use crate::error::WireError;
use crate::fields::{Reader, Writer};
use crate::limits::{MAX_FILE_CHUNK_BYTES, MAX_FILE_NAME_BYTES, MAX_FILE_PATH_BYTES, MAX_LISTED, MAX_MOUNTS};

/// A name in a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilePath<'a> {
    /// Number of the mount, in the order of `Mounts`.
    pub mount: u64,
    /// Names with single slashes between them, without `.` and `..`; empty for the mounted directory.
    pub path: &'a [u8],
}

/// How a file is opened: bits of `flags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenFlags(u64);

impl OpenFlags {
    /// For reading.
    pub const READ: Self = Self(1);
    /// For writing.
    pub const WRITE: Self = Self(2);
    /// Each write goes to the end.
    pub const APPEND: Self = Self(4);
    /// Make a file that is missing.
    pub const CREATE: Self = Self(8);
    /// Fail if the file is there.
    pub const EXCLUSIVE: Self = Self(16);
    /// Empty the file.
    pub const TRUNCATE: Self = Self(32);
    /// Open a directory, to list it.
    pub const DIRECTORY: Self = Self(64);

    const ALL: u64 = 127;

    /// Returns the flags of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether all of these flags are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn read(r: &mut Reader<'_>, field: &'static str) -> Result<Self, WireError> {
        match r.uint()? {
            bits @ 0..=Self::ALL => Ok(Self(bits)),
            value => Err(WireError::FieldRange { field, value }),
        }
    }
}

/// What the kernel asks. Answered by [`FileReply`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are described at the keys in docs/abi.md")]
pub enum FileRequest<'a> {
    /// Which mounts there are.
    Mounts,
    /// What a name leads to; `follow` says whether a link at its end stands for its target.
    Stat { at: FilePath<'a>, follow: bool },
    /// Open a file or a directory.
    Open { at: FilePath<'a>, flags: OpenFlags, mode: u64 },
    /// What an open file is.
    StatHandle { handle: u64 },
    /// Read up to `len` bytes, of which the program asked for `need`; the rest is read ahead.
    Read { handle: u64, offset: u64, len: u64, need: u64 },
    /// Write bytes.
    Write { handle: u64, offset: u64, data: &'a [u8] },
    /// Change the size.
    Truncate { handle: u64, len: u64 },
    /// Write to the disk what is not there yet.
    Sync { handle: u64 },
    /// The next entries of a directory; none at its end.
    List { handle: u64 },
    /// Forget an open file.
    Close { handle: u64 },
    /// Make a directory.
    MakeDir { at: FilePath<'a>, mode: u64 },
    /// Remove the name of what is no directory.
    Unlink { at: FilePath<'a> },
    /// Remove an empty directory.
    RemoveDir { at: FilePath<'a> },
    /// Give a name in the same mount.
    Rename { at: FilePath<'a>, to: &'a [u8] },
    /// Where a symbolic link points.
    ReadLink { at: FilePath<'a> },
    /// Set the permission bits.
    SetMode { at: FilePath<'a>, mode: u64 },
    /// Set times, in nanoseconds since 1970; absent ones stay.
    SetTimes { at: FilePath<'a>, accessed: Option<i64>, modified: Option<i64> },
    /// A piece of a file of /output; an offset of 0 begins the file.
    Artifact { path: &'a [u8], offset: u64, data: &'a [u8] },
}

/// What stat(2) shows of a file of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileStat {
    /// Type and permission bits.
    pub mode: u64,
    /// Inode number.
    pub number: u64,
    /// Names.
    pub links: u64,
    /// Bytes.
    pub size: u64,
    /// Units of 512 bytes on the disk.
    pub blocks: u64,
    /// Last access, in nanoseconds since 1970, as are the next two.
    pub accessed: i64,
    /// Last change of the contents.
    pub modified: i64,
    /// Last change of the inode.
    pub changed: i64,
}

/// An entry of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileEntry<'a> {
    /// At most [`MAX_FILE_NAME_BYTES`] bytes.
    pub name: &'a [u8],
    /// Type bits of `mode`, 0 if unknown.
    pub kind: u64,
    /// Inode number.
    pub number: u64,
}

/// What the host answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are described at the keys in docs/abi.md")]
pub enum FileReply<'a> {
    /// It is done.
    Done,
    /// It is not: a number of errno(3).
    Error { errno: u64 },
    /// What is there.
    Stat(FileStat),
    /// It is open.
    Opened { handle: u64, stat: FileStat },
    /// Bytes read; a short count is the end of the file.
    Data(&'a [u8]),
    /// Bytes written.
    Count(u64),
    /// Entries of a directory.
    Entries(Vec<FileEntry<'a>>),
    /// Path of each mount in the guest, and whether it may be written.
    Mounts(Vec<(&'a [u8], bool)>),
}

/// Largest number of errno(3).
const MAX_ERRNO: u64 = 4095;

/// The keys of a request, as they come.
#[derive(Default)]
struct Keys<'a> {
    op: Option<&'a str>,
    mount: Option<u64>,
    path: Option<&'a [u8]>,
    to: Option<&'a [u8]>,
    handle: Option<u64>,
    offset: Option<u64>,
    len: Option<u64>,
    need: Option<u64>,
    data: Option<&'a [u8]>,
    flags: Option<OpenFlags>,
    mode: Option<u64>,
    follow: Option<bool>,
    accessed: Option<i64>,
    modified: Option<i64>,
}

impl<'a> Keys<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        let mut keys = Self::default();
        r.map(|key, r| match key {
            "op" => r.once(&mut keys.op, "op", |r, f| r.text(f, MAX_FILE_NAME_BYTES)),
            "mount" => r.once(&mut keys.mount, "mount", |r, _| r.uint()),
            "path" => r.once(&mut keys.path, "path", |r, f| r.bytes(f, MAX_FILE_PATH_BYTES)),
            "to" => r.once(&mut keys.to, "to", |r, f| r.bytes(f, MAX_FILE_PATH_BYTES)),
            "handle" => r.once(&mut keys.handle, "handle", |r, _| r.uint()),
            "offset" => r.once(&mut keys.offset, "offset", |r, _| r.uint()),
            "len" => r.once(&mut keys.len, "len", |r, _| r.uint()),
            "need" => r.once(&mut keys.need, "need", |r, _| r.uint()),
            "data" => r.once(&mut keys.data, "data", |r, f| r.bytes(f, MAX_FILE_CHUNK_BYTES)),
            "flags" => r.once(&mut keys.flags, "flags", OpenFlags::read),
            "mode" => r.once(&mut keys.mode, "mode", |r, _| r.uint()),
            "follow" => r.once(&mut keys.follow, "follow", |r, _| r.bool()),
            "accessed" => r.once(&mut keys.accessed, "accessed", Reader::int),
            "modified" => r.once(&mut keys.modified, "modified", Reader::int),
            _ => Ok(false),
        })?;
        Ok(keys)
    }

    /// Returns the first key that no field was taken from.
    fn left(&self) -> Option<&'static str> {
        [
            ("mount", self.mount.is_some()),
            ("path", self.path.is_some()),
            ("to", self.to.is_some()),
            ("handle", self.handle.is_some()),
            ("offset", self.offset.is_some()),
            ("len", self.len.is_some()),
            ("need", self.need.is_some()),
            ("data", self.data.is_some()),
            ("flags", self.flags.is_some()),
            ("mode", self.mode.is_some()),
            ("follow", self.follow.is_some()),
            ("accessed", self.accessed.is_some()),
            ("modified", self.modified.is_some()),
        ]
        .into_iter()
        .find_map(|(key, is_left)| is_left.then_some(key))
    }
}

impl<'a> FileRequest<'a> {
    /// Returns the name of the operation, as it stands under `op`.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Mounts => "mounts",
            Self::Stat { .. } => "stat",
            Self::Open { .. } => "open",
            Self::StatHandle { .. } => "fstat",
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::Truncate { .. } => "truncate",
            Self::Sync { .. } => "sync",
            Self::List { .. } => "list",
            Self::Close { .. } => "close",
            Self::MakeDir { .. } => "mkdir",
            Self::Unlink { .. } => "unlink",
            Self::RemoveDir { .. } => "rmdir",
            Self::Rename { .. } => "rename",
            Self::ReadLink { .. } => "readlink",
            Self::SetMode { .. } => "chmod",
            Self::SetTimes { .. } => "utime",
            Self::Artifact { .. } => "artifact",
        }
    }

    /// Returns the name that the request is about, if it names one.
    #[must_use]
    pub fn at(&self) -> Option<FilePath<'a>> {
        match *self {
            Self::Stat { at, .. }
            | Self::Open { at, .. }
            | Self::MakeDir { at, .. }
            | Self::Unlink { at }
            | Self::RemoveDir { at }
            | Self::Rename { at, .. }
            | Self::ReadLink { at }
            | Self::SetMode { at, .. }
            | Self::SetTimes { at, .. } => Some(at),
            _ => None,
        }
    }

    pub(super) fn write(&self) -> Result<Writer, WireError> {
        let extra: u64 = match self {
            Self::Mounts => 0,
            Self::StatHandle { .. } | Self::Sync { .. } | Self::List { .. } | Self::Close { .. } => 1,
            Self::Truncate { .. } | Self::Unlink { .. } | Self::RemoveDir { .. } | Self::ReadLink { .. } => 2,
            Self::Stat { .. }
            | Self::Write { .. }
            | Self::MakeDir { .. }
            | Self::Rename { .. }
            | Self::SetMode { .. }
            | Self::Artifact { .. } => 3,
            Self::Open { .. } | Self::Read { .. } => 4,
            Self::SetTimes { accessed, modified, .. } => {
                2u64.saturating_add(accessed.is_some().into()).saturating_add(modified.is_some().into())
            }
        };
        let mut w = Writer::new(extra.saturating_add(1));
        w.key("op").text("op", self.operation(), MAX_FILE_NAME_BYTES)?;
        if let Some(at) = self.at() {
            w.key("mount").uint(at.mount);
            w.key("path").bytes("path", at.path, MAX_FILE_PATH_BYTES)?;
        }
        match *self {
            Self::Mounts | Self::Unlink { .. } | Self::RemoveDir { .. } | Self::ReadLink { .. } => {}
            Self::Stat { follow, .. } => w.key("follow").bool(follow),
            Self::Open { flags, mode, .. } => {
                w.key("flags").uint(flags.0);
                w.key("mode").uint(mode);
            }
            Self::StatHandle { handle }
            | Self::Sync { handle }
            | Self::List { handle }
            | Self::Close { handle } => w.key("handle").uint(handle),
            Self::Read { handle, offset, len, need } => {
                w.key("handle").uint(handle);
                w.key("offset").uint(offset);
                w.key("len").uint(len);
                w.key("need").uint(need);
            }
            Self::Write { handle, offset, data } => {
                w.key("handle").uint(handle);
                w.key("offset").uint(offset);
                w.key("data").bytes("data", data, MAX_FILE_CHUNK_BYTES)?;
            }
            Self::Truncate { handle, len } => {
                w.key("handle").uint(handle);
                w.key("len").uint(len);
            }
            Self::MakeDir { mode, .. } | Self::SetMode { mode, .. } => w.key("mode").uint(mode),
            Self::Rename { to, .. } => w.key("to").bytes("to", to, MAX_FILE_PATH_BYTES)?,
            Self::SetTimes { accessed, modified, .. } => {
                for (key, time) in [("accessed", accessed), ("modified", modified)] {
                    if let Some(time) = time {
                        w.key(key).int(time);
                    }
                }
            }
            Self::Artifact { path, offset, data } => {
                w.key("path").bytes("path", path, MAX_FILE_PATH_BYTES)?;
                w.key("offset").uint(offset);
                w.key("data").bytes("data", data, MAX_FILE_CHUNK_BYTES)?;
            }
        }
        Ok(w)
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        let mut k = Keys::read(r)?;
        let op = r.need(k.op, "op")?;
        let at = |k: &mut Keys<'a>| {
            let mount = r.need(k.mount.take(), "mount")?;
            Ok::<_, WireError>(FilePath { mount, path: r.need(k.path.take(), "path")? })
        };
        let handle = |k: &mut Keys<'a>| r.need(k.handle.take(), "handle");
        let offset = |k: &mut Keys<'a>| r.need(k.offset.take(), "offset");
        let len = |k: &mut Keys<'a>| r.need(k.len.take(), "len");
        let data = |k: &mut Keys<'a>| r.need(k.data.take(), "data");
        let mode = |k: &mut Keys<'a>| r.need(k.mode.take(), "mode");
        let request = match op {
            "mounts" => Self::Mounts,
            "stat" => Self::Stat { at: at(&mut k)?, follow: r.need(k.follow.take(), "follow")? },
            "open" => {
                let flags = r.need(k.flags.take(), "flags")?;
                Self::Open { at: at(&mut k)?, flags, mode: mode(&mut k)? }
            }
            "fstat" => Self::StatHandle { handle: handle(&mut k)? },
            "read" => Self::Read {
                handle: handle(&mut k)?,
                offset: offset(&mut k)?,
                len: len(&mut k)?,
                need: r.need(k.need.take(), "need")?,
            },
            "write" => Self::Write { handle: handle(&mut k)?, offset: offset(&mut k)?, data: data(&mut k)? },
            "truncate" => Self::Truncate { handle: handle(&mut k)?, len: len(&mut k)? },
            "sync" => Self::Sync { handle: handle(&mut k)? },
            "list" => Self::List { handle: handle(&mut k)? },
            "close" => Self::Close { handle: handle(&mut k)? },
            "mkdir" => Self::MakeDir { at: at(&mut k)?, mode: mode(&mut k)? },
            "unlink" => Self::Unlink { at: at(&mut k)? },
            "rmdir" => Self::RemoveDir { at: at(&mut k)? },
            "rename" => Self::Rename { at: at(&mut k)?, to: r.need(k.to.take(), "to")? },
            "readlink" => Self::ReadLink { at: at(&mut k)? },
            "chmod" => Self::SetMode { at: at(&mut k)?, mode: mode(&mut k)? },
            "utime" => {
                let (accessed, modified) = (k.accessed.take(), k.modified.take());
                Self::SetTimes { at: at(&mut k)?, accessed, modified }
            }
            "artifact" => {
                let path = r.need(k.path.take(), "path")?;
                Self::Artifact { path, offset: offset(&mut k)?, data: data(&mut k)? }
            }
            _ => return Err(WireError::UnknownOperation { message: r.kind, len_bytes: op.len() }),
        };
        match k.left() {
            Some(field) => Err(WireError::ConflictingField { message: r.kind, field }),
            None => Ok(request),
        }
    }
}

impl FileStat {
    fn write(&self, w: &mut Writer) {
        w.key("stat").map(8);
        for (key, value) in [
            ("mode", self.mode),
            ("number", self.number),
            ("links", self.links),
            ("size", self.size),
            ("blocks", self.blocks),
        ] {
            w.key(key).uint(value);
        }
        for (key, time) in
            [("accessed", self.accessed), ("modified", self.modified), ("changed", self.changed)]
        {
            w.key(key).int(time);
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let (mut mode, mut number, mut links, mut size, mut blocks) = (None, None, None, None, None);
        let (mut accessed, mut modified, mut changed) = (None, None, None);
        r.map(|key, r| match key {
            "mode" => r.once(&mut mode, "mode", |r, _| r.uint()),
            "number" => r.once(&mut number, "number", |r, _| r.uint()),
            "links" => r.once(&mut links, "links", |r, _| r.uint()),
            "size" => r.once(&mut size, "size", |r, _| r.uint()),
            "blocks" => r.once(&mut blocks, "blocks", |r, _| r.uint()),
            "accessed" => r.once(&mut accessed, "accessed", Reader::int),
            "modified" => r.once(&mut modified, "modified", Reader::int),
            "changed" => r.once(&mut changed, "changed", Reader::int),
            _ => Ok(false),
        })?;
        Ok(Self {
            mode: r.need(mode, "mode")?,
            number: r.need(number, "number")?,
            links: r.need(links, "links")?,
            size: r.need(size, "size")?,
            blocks: r.need(blocks, "blocks")?,
            accessed: r.need(accessed, "accessed")?,
            modified: r.need(modified, "modified")?,
            changed: r.need(changed, "changed")?,
        })
    }
}

impl<'a> FileReply<'a> {
    pub(super) fn write(&self) -> Result<Writer, WireError> {
        let mut w = Writer::new(match self {
            Self::Done => 0,
            Self::Opened { .. } => 2,
            _ => 1,
        });
        match self {
            Self::Done => {}
            Self::Error { errno } => w.key("err").uint(check_errno(*errno)?),
            Self::Stat(stat) => stat.write(&mut w),
            Self::Opened { handle, stat } => {
                w.key("handle").uint(*handle);
                stat.write(&mut w);
            }
            Self::Data(data) => w.key("data").bytes("data", data, MAX_FILE_CHUNK_BYTES)?,
            Self::Count(count) => w.key("count").uint(*count),
            Self::Entries(entries) => w.key("entries").list("entries", entries, MAX_LISTED, |w, entry| {
                w.map(3);
                w.key("name").bytes("name", entry.name, MAX_FILE_NAME_BYTES)?;
                w.key("kind").uint(entry.kind);
                w.key("number").uint(entry.number);
                Ok(())
            })?,
            Self::Mounts(mounts) => {
                w.key("mounts").list("mounts", mounts, MAX_MOUNTS, |w, (path, is_writable)| {
                    w.map(2);
                    w.key("path").bytes("path", path, MAX_FILE_PATH_BYTES)?;
                    w.key("write").bool(*is_writable);
                    Ok(())
                })?
            }
        }
        Ok(w)
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        let (mut errno, mut stat, mut handle, mut data) = (None, None, None, None);
        let (mut count, mut entries, mut mounts) = (None, None, None);
        r.map(|key, r| match key {
            "err" => r.once(&mut errno, "err", |r, _| check_errno(r.uint()?)),
            "stat" => r.once(&mut stat, "stat", |r, _| FileStat::read(r)),
            "handle" => r.once(&mut handle, "handle", |r, _| r.uint()),
            "data" => r.once(&mut data, "data", |r, f| r.bytes(f, MAX_FILE_CHUNK_BYTES)),
            "count" => r.once(&mut count, "count", |r, _| r.uint()),
            "entries" => r.once(&mut entries, "entries", |r, f| r.list(f, MAX_LISTED, FileEntry::read)),
            "mounts" => r.once(&mut mounts, "mounts", |r, f| r.list(f, MAX_MOUNTS, read_mount)),
            _ => Ok(false),
        })?;
        match (errno, stat, handle, data, count, entries, mounts) {
            (None, None, None, None, None, None, None) => Ok(Self::Done),
            (Some(errno), None, None, None, None, None, None) => Ok(Self::Error { errno }),
            (None, Some(stat), None, None, None, None, None) => Ok(Self::Stat(stat)),
            (None, Some(stat), Some(handle), None, None, None, None) => Ok(Self::Opened { handle, stat }),
            (None, None, None, Some(data), None, None, None) => Ok(Self::Data(data)),
            (None, None, None, None, Some(count), None, None) => Ok(Self::Count(count)),
            (None, None, None, None, None, Some(entries), None) => Ok(Self::Entries(entries)),
            (None, None, None, None, None, None, Some(mounts)) => Ok(Self::Mounts(mounts)),
            _ => Err(WireError::ConflictingField { message: r.kind, field: "of another answer" }),
        }
    }
}

impl<'a> FileEntry<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        let (mut name, mut kind, mut number) = (None, None, None);
        r.map(|key, r| match key {
            "name" => r.once(&mut name, "name", |r, f| r.bytes(f, MAX_FILE_NAME_BYTES)),
            "kind" => r.once(&mut kind, "kind", |r, _| r.uint()),
            "number" => r.once(&mut number, "number", |r, _| r.uint()),
            _ => Ok(false),
        })?;
        Ok(Self {
            name: r.need(name, "name")?,
            kind: r.need(kind, "kind")?,
            number: r.need(number, "number")?,
        })
    }
}

fn read_mount<'a>(r: &mut Reader<'a>) -> Result<(&'a [u8], bool), WireError> {
    let (mut path, mut is_writable) = (None, None);
    r.map(|key, r| match key {
        "path" => r.once(&mut path, "path", |r, f| r.bytes(f, MAX_FILE_PATH_BYTES)),
        "write" => r.once(&mut is_writable, "write", |r, _| r.bool()),
        _ => Ok(false),
    })?;
    Ok((r.need(path, "path")?, r.need(is_writable, "write")?))
}

fn check_errno(value: u64) -> Result<u64, WireError> {
    match value {
        1..=MAX_ERRNO => Ok(value),
        value => Err(WireError::FieldRange { field: "err", value }),
    }
}
