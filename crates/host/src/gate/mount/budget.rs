//! What a run may still do with files.
//!
//! Guarantees and rules as in [`crate::gate`].
//!
//! Before: `operations`. After: the run's usage.

use crate::audit::FileDenial;
use crate::error::{LimitError, LimitKind};
use crate::gate::Budget;
use crate::limits::Limits;
use crate::run::FileUsage;

use super::Refusal;

/// Budgets of one run.
#[derive(Debug)]
pub(crate) struct FileBudgets {
    read: Budget,
    written: Budget,
    created: Budget,
    max_open: u64,
    open_peak: u64,
    /// Bytes that the files of each mount may still grow by; `None` is any number.
    growth: Vec<Option<u64>>,
}

impl FileBudgets {
    /// Starts with nothing used.
    pub(crate) fn new(limits: &Limits, growth: impl Iterator<Item = Option<u64>>) -> Self {
        Self {
            read: Budget::new(LimitKind::FileRead, limits.file_read_bytes),
            written: Budget::new(LimitKind::FileWrite, limits.file_write_bytes),
            created: Budget::new(LimitKind::FileCount, limits.file_count),
            max_open: limits.open_files,
            open_peak: 0,
            growth: growth.collect(),
        }
    }

    /// Counts what another process used for this run; `growth` is by how much the files of each mount may still grow.
    ///
    /// # Errors
    ///
    /// [`LimitError`] if it is more than the run may use.
    pub(crate) fn take_over(&mut self, used: &FileUsage, growth: &[Option<u64>]) -> Result<(), LimitError> {
        self.read.charge_u64(used.read_bytes)?;
        self.written.charge_u64(used.write_bytes)?;
        self.created.charge_u64(used.count)?;
        self.open_peak = used.open;
        for (left, then) in self.growth.iter_mut().zip(growth) {
            if let (Some(left), Some(then)) = (left, then) {
                *left = (*left).min(*then);
            }
        }
        Ok(())
    }

    /// Returns by how much the files of each mount may still grow.
    pub(crate) fn growth(&self) -> &[Option<u64>] {
        &self.growth
    }

    /// Returns what the run used.
    pub(crate) fn usage(&self) -> FileUsage {
        FileUsage {
            read_bytes: self.read.used(),
            write_bytes: self.written.used(),
            count: self.created.used(),
            open: self.open_peak,
        }
    }

    /// Returns how much to read where the guest asks for `len` bytes, of which its program needs `need`: what is read
    /// ahead shall not be what passes the limit.
    pub(super) fn read_len(&self, len: usize, need: usize) -> usize {
        let left = usize::try_from(self.read.left()).unwrap_or(usize::MAX);
        if left >= len { len } else { left.max(need).min(len) }
    }

    pub(super) fn charge_read(&mut self, len: usize) -> Result<(), LimitError> {
        self.read.charge(len)
    }

    pub(super) fn charge_file(&mut self) -> Result<(), LimitError> {
        self.created.charge(1)
    }

    /// Charges one more open file beside `open` others.
    pub(super) fn charge_open(&mut self, open: usize) -> Result<(), LimitError> {
        let used = u64::try_from(open).unwrap_or(u64::MAX).saturating_add(1);
        self.open_peak = self.open_peak.max(used);
        if used > self.max_open {
            return Err(LimitError { limit: LimitKind::OpenFiles, used, maximum: self.max_open });
        }
        Ok(())
    }

    /// Charges a write of `len` bytes that makes a file of the mount longer by `growth`. A hole counts as if it were
    /// written.
    pub(super) fn charge_write(&mut self, mount: usize, len: u64, growth: u64) -> Result<(), Refusal> {
        self.written.charge_u64(len.max(growth))?;
        if let Some(Some(left)) = self.growth.get_mut(mount) {
            *left = left.checked_sub(growth).ok_or(FileDenial::MountIsFull)?;
        }
        Ok(())
    }
}
