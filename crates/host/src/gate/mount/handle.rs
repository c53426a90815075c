//! What a guest has open: regular files and directories.
//!
//! Guarantees: a handle reads and writes only what it was opened for; offsets and lengths are checked before the system
//! sees them. Never: resolves a path.
//!
//! Before: `operations`. After: cap-std.

use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::DirEntryExt;

use cap_std::fs::{Dir, File, FileExt, FileType, FileTypeExt, Metadata, MetadataExt, ReadDir};
use hypercell_abi::limits::{MAX_ANSWER_BYTES, MAX_FILE_CHUNK_BYTES, MAX_LISTED};
use hypercell_abi::message::FileStat;
use rustix::io::Errno;

use crate::audit::FileDenial;

use super::budget::FileBudgets;
use super::{Answer, Entry, Outcome, Refusal};

/// Largest offset of a file.
const MAX_OFFSET: u64 = i64::MAX.unsigned_abs();
/// Bytes of names after which an answer is sent: more would not fit the transport's buffer.
const MAX_NAMES_BYTES: usize = MAX_ANSWER_BYTES / 2;
/// What an entry has around its name, about.
const ENTRY_BYTES: usize = 32;

/// An open file of the host.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) mount: usize,
    pub(super) object: Object,
}

#[derive(Debug)]
pub(super) enum Object {
    File { file: File, can_read: bool, can_write: bool, appends: bool },
    Dir { dir: Dir, entries: Option<ReadDir> },
}

impl Handle {
    pub(super) fn stat(&self) -> Result<FileStat, Refusal> {
        Ok(match &self.object {
            Object::File { file, .. } => stat_of(&file.metadata()?),
            Object::Dir { dir, .. } => stat_of(&dir.dir_metadata()?),
        })
    }

    pub(super) fn read(&self, offset: u64, len: u64, need: u64, budgets: &mut FileBudgets) -> Outcome {
        let Object::File { file, can_read: true, .. } = &self.object else {
            return Err(FileDenial::NotOpenForThis.into());
        };
        if offset > MAX_OFFSET {
            return Err(Errno::INVAL.into());
        }
        let within = |len: u64| usize::try_from(len).unwrap_or(usize::MAX).min(MAX_FILE_CHUNK_BYTES);
        let mut data = vec![0; budgets.read_len(within(len), within(need))];
        let mut done = 0_usize;
        while let Some(room) = data.get_mut(done..).filter(|room| !room.is_empty()) {
            match file.read_at(room, offset.saturating_add(u64::try_from(done).unwrap_or(u64::MAX))) {
                Ok(0) => break,
                Ok(count) => done = done.saturating_add(count),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) if done > 0 => break,
                Err(error) => return Err(error.into()),
            }
        }
        data.truncate(done);
        budgets.charge_read(done)?;
        Ok(Answer::Data(data))
    }

    pub(super) fn write(&self, offset: u64, data: &[u8], budgets: &mut FileBudgets) -> Outcome {
        let Object::File { file, can_write: true, appends, .. } = &self.object else {
            return Err(FileDenial::NotOpenForThis.into());
        };
        let size = file.metadata()?.len();
        let start = if *appends { size } else { offset };
        let len = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let end = start.checked_add(len).filter(|end| *end <= MAX_OFFSET).ok_or(Errno::FBIG)?;
        budgets.charge_write(self.mount, len, end.saturating_sub(size))?;
        let mut done = 0_usize;
        while let Some(rest) = data.get(done..).filter(|rest| !rest.is_empty()) {
            match file.write_at(rest, start.saturating_add(u64::try_from(done).unwrap_or(u64::MAX))) {
                Ok(0) => break,
                Ok(count) => done = done.saturating_add(count),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) if done > 0 => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Answer::Count(u64::try_from(done).unwrap_or(u64::MAX)))
    }

    pub(super) fn truncate(&self, len: u64, budgets: &mut FileBudgets) -> Outcome {
        let Object::File { file, can_write: true, .. } = &self.object else {
            return Err(FileDenial::NotOpenForThis.into());
        };
        if len > MAX_OFFSET {
            return Err(Errno::INVAL.into());
        }
        budgets.charge_write(self.mount, 0, len.saturating_sub(file.metadata()?.len()))?;
        file.set_len(len)?;
        Ok(Answer::Done)
    }

    pub(super) fn sync(&self) -> Outcome {
        if let Object::File { file, .. } = &self.object {
            file.sync_all()?;
        }
        Ok(Answer::Done)
    }

    /// Returns the next entries; the first call begins at the first one.
    pub(super) fn list(&mut self) -> Outcome {
        let Object::Dir { dir, entries } = &mut self.object else { return Err(Errno::NOTDIR.into()) };
        let entries = match entries {
            Some(entries) => entries,
            None => entries.insert(dir.entries()?),
        };
        let mut listed = Vec::new();
        let mut len_bytes = 0_usize;
        while listed.len() < MAX_LISTED && len_bytes < MAX_NAMES_BYTES {
            let Some(entry) = entries.next() else { break };
            let entry = entry?;
            let name = entry.file_name().into_vec();
            len_bytes = len_bytes.saturating_add(name.len()).saturating_add(ENTRY_BYTES);
            let kind = entry.file_type().map_or(0, type_bits);
            listed.push(Entry { name, kind, number: entry.ino() });
        }
        Ok(Answer::Entries(listed))
    }
}

fn type_bits(kind: FileType) -> u64 {
    match kind {
        kind if kind.is_file() => 0o100_000,
        kind if kind.is_dir() => 0o040_000,
        kind if kind.is_symlink() => 0o120_000,
        kind if kind.is_fifo() => 0o010_000,
        kind if kind.is_char_device() => 0o020_000,
        kind if kind.is_block_device() => 0o060_000,
        kind if kind.is_socket() => 0o140_000,
        _ => 0,
    }
}

/// Takes what a guest may know of a file. Owner and device are the host's business.
pub(super) fn stat_of(meta: &Metadata) -> FileStat {
    let ns = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
    FileStat {
        mode: u64::from(meta.mode()),
        number: meta.ino(),
        links: meta.nlink(),
        size: meta.len(),
        blocks: meta.blocks(),
        accessed: ns(meta.atime(), meta.atime_nsec()),
        modified: ns(meta.mtime(), meta.mtime_nsec()),
        changed: ns(meta.ctime(), meta.ctime_nsec()),
    }
}
