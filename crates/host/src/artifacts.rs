//! The files that a run leaves in /output, kept up to limits, in memory or in a directory of the host.
//!
//! Guarantees: number, size and total of the files are within their limits, and a file that passed one is not kept; with a
//! directory, nothing outside of it is written, and a link, FIFO or device in it is replaced, not written to.
//! Never: trusts a path of the guest; a path is resolved beneath the directory, as in `gate::mount`.
//!
//! Before: `dispatch`. After: the report of the run.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::{Dir, File, OpenOptions};
use rustix::io::Errno;

use crate::error::{Error, LimitError, LimitKind, MachineError, UsageError};
use crate::gate::{Budget, check_path, reason_of};
use crate::limits::Limits;
use crate::run::{Artifact, OutputUsage};

/// The files so far.
#[derive(Debug, Default)]
pub(crate) struct Artifacts {
    files: Vec<Artifact>,
    paths: BTreeSet<Vec<u8>>,
    budgets: Option<Budgets>,
    dir: Option<Arc<Dir>>,
    /// The last of the files, while it is written into the directory.
    open: Option<File>,
    largest: u64,
}

#[derive(Debug)]
struct Budgets {
    total: Budget,
    count: Budget,
    max_file_bytes: u64,
}

/// Opens the directory for files of /output.
///
/// # Errors
///
/// [`UsageError::OutputDir`].
pub(crate) fn open_dir(path: &Path) -> Result<Arc<Dir>, UsageError> {
    Dir::open_ambient_dir(path, cap_std::ambient_authority())
        .map(Arc::new)
        .map_err(|error| UsageError::OutputDir { path: path.to_owned(), reason: reason_of(&error) })
}

impl Artifacts {
    /// Starts with nothing.
    pub(crate) fn new(limits: &Limits, dir: Option<Arc<Dir>>) -> Self {
        let budgets = Budgets {
            total: Budget::new(LimitKind::OutputTotal, limits.output_total_bytes),
            count: Budget::new(LimitKind::OutputFileCount, limits.output_file_count),
            max_file_bytes: limits.output_file_bytes,
        };
        Self { budgets: Some(budgets), dir, ..Self::default() }
    }

    /// Takes a piece of a file; one at offset 0 begins it. Input is guest-controlled.
    ///
    /// Returns what the guest is told if the piece does not belong there.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`], after which the file is not kept; [`MachineError::OutputDir`].
    pub(crate) fn take(&mut self, path: &[u8], offset: u64, data: &[u8]) -> Result<Result<(), Errno>, Error> {
        let taken = self.place(path, offset, data);
        if taken.is_err() {
            self.drop_last();
        }
        taken
    }

    fn place(&mut self, path: &[u8], offset: u64, data: &[u8]) -> Result<Result<(), Errno>, Error> {
        let Some(budgets) = &mut self.budgets else { return Ok(Err(Errno::PERM)) };
        if offset == 0 {
            if path.is_empty() || check_path(path).is_err() {
                return Ok(Err(Errno::INVAL));
            }
            if self.paths.contains(path) {
                return Ok(Err(Errno::EXIST));
            }
            budgets.count.charge(1)?;
            self.open = match &self.dir {
                Some(dir) => Some(create(dir, path).map_err(|error| output_error(path, &error))?),
                None => None,
            };
            self.paths.insert(path.to_vec());
            let data = self.dir.is_none().then(Arc::default);
            self.files.push(Artifact { path: path.to_vec(), size: 0, data });
        }
        let Some(file) = self.files.last_mut().filter(|file| file.path == path && file.size == offset) else {
            return Ok(Err(Errno::INVAL));
        };
        let size = offset.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        if size > budgets.max_file_bytes {
            let maximum = budgets.max_file_bytes;
            return Err(LimitError { limit: LimitKind::OutputFile, used: size, maximum }.into());
        }
        budgets.total.charge(data.len())?;
        if let Some(open) = &mut self.open {
            open.write_all(data).map_err(|error| output_error(path, &error))?;
        }
        if let Some(kept) = &mut file.data {
            Arc::make_mut(kept).extend_from_slice(data);
        }
        file.size = size;
        self.largest = self.largest.max(size);
        Ok(Ok(()))
    }

    /// Drops the file that could not be kept whole.
    fn drop_last(&mut self) {
        if let Some(file) = self.files.pop() {
            self.open = None;
            if let Some(dir) = &self.dir {
                // What is left of it is of no use, and there is nobody to tell.
                let _ = dir.remove_file(Path::new(OsStr::from_bytes(&file.path)));
            }
        }
        self.budgets = None;
    }

    /// Returns the files that are whole.
    pub(crate) fn files(&self) -> Vec<Artifact> {
        self.files.clone()
    }

    /// Returns what the run used.
    pub(crate) fn usage(&self) -> OutputUsage {
        OutputUsage {
            largest_bytes: self.largest,
            total_bytes: self.files.iter().fold(0, |sum, file| sum.saturating_add(file.size)),
            count: u64::try_from(self.files.len()).unwrap_or(u64::MAX),
        }
    }
}

/// Makes a file and the directories on the way to it, in place of whatever has its name.
fn create(dir: &Dir, path: &[u8]) -> io::Result<File> {
    let path = Path::new(OsStr::from_bytes(path));
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        dir.create_dir_all(parent)?;
    }
    match dir.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    dir.open_with(path, OpenOptions::new().write(true).create_new(true))
}

fn output_error(path: &[u8], error: &io::Error) -> MachineError {
    MachineError::OutputDir { file: String::from_utf8_lossy(path).into_owned(), reason: reason_of(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { output_file_bytes: 6, output_total_bytes: 8, output_file_count: 2, ..Limits::default() }
    }

    fn paths(artifacts: &Artifacts) -> Vec<(String, u64)> {
        let name = |file: &Artifact| (String::from_utf8_lossy(&file.path).into_owned(), file.size);
        artifacts.files().iter().map(name).collect()
    }

    fn limit_of(taken: Result<Result<(), Errno>, Error>) -> String {
        taken.expect_err("a limit").to_string()
    }

    #[test]
    fn pieces_make_files_up_to_the_limits() {
        let mut artifacts = Artifacts::new(&limits(), None);
        for (path, offset, data) in [("a", 0, "123"), ("a", 3, "456"), ("b/c", 0, "78")] {
            assert!(matches!(artifacts.take(path.as_bytes(), offset, data.as_bytes()), Ok(Ok(()))), "{path}");
        }
        assert_eq!(paths(&artifacts), [("a".into(), 6), ("b/c".into(), 2)]);
        let data = artifacts.files()[0].data.clone().expect("kept in memory");
        assert_eq!(data.as_slice(), b"123456");
        let usage = artifacts.usage();
        assert_eq!((usage.largest_bytes, usage.total_bytes, usage.count), (6, 8, 2));
        assert_eq!(limit_of(artifacts.take(b"d", 0, b"")), "3 files exceed output_file_count, which is 2");
    }

    #[test]
    fn file_above_its_size_is_dropped_and_the_others_stay() {
        let mut artifacts = Artifacts::new(&limits(), None);
        assert!(matches!(artifacts.take(b"a", 0, b"1"), Ok(Ok(()))));
        assert!(matches!(artifacts.take(b"b", 0, b"123456"), Ok(Ok(()))));
        assert_eq!(limit_of(artifacts.take(b"b", 6, b"7")), "7 bytes exceed output_file_bytes, which is 6");
        assert_eq!(paths(&artifacts), [("a".into(), 1)]);
        assert!(matches!(artifacts.take(b"c", 0, b""), Ok(Err(Errno::PERM))), "the run is over");
    }

    #[test]
    fn total_above_its_limit_ends_the_run() {
        let mut artifacts = Artifacts::new(&limits(), None);
        assert!(matches!(artifacts.take(b"a", 0, b"123456"), Ok(Ok(()))));
        assert_eq!(
            limit_of(artifacts.take(b"b", 0, b"123")),
            "9 bytes exceed output_total_bytes, which is 8"
        );
        assert_eq!(paths(&artifacts), [("a".into(), 6)]);
    }

    #[test]
    fn pieces_that_belong_nowhere_are_refused() {
        let mut artifacts = Artifacts::new(&limits(), None);
        assert!(matches!(artifacts.take(b"a", 0, b"12"), Ok(Ok(()))));
        for (path, offset) in [("a", 1), ("a", 3), ("a", u64::MAX), ("b", 2)] {
            let refused = artifacts.take(path.as_bytes(), offset, b"x");
            assert!(matches!(refused, Ok(Err(Errno::INVAL))), "{path} {offset}");
        }
        assert!(matches!(artifacts.take(b"a", 0, b"x"), Ok(Err(Errno::EXIST))));
        for path in ["", "/a", "../a", "b/../c", "b//c", "./b", "b\0"] {
            let refused = artifacts.take(path.as_bytes(), 0, b"x");
            assert!(matches!(refused, Ok(Err(Errno::INVAL))), "{path:?}");
        }
        assert_eq!(paths(&artifacts), [("a".into(), 2)]);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test looks at what was written")]
    fn directory_gets_the_files_and_nothing_outside_of_it_does() {
        let outside = tempfile::tempdir().expect("a directory");
        let inside = tempfile::tempdir().expect("a directory");
        std::fs::write(outside.path().join("victim"), "safe").expect("a file");
        std::os::unix::fs::symlink(outside.path().join("victim"), inside.path().join("link"))
            .expect("a link");
        std::os::unix::fs::symlink(outside.path(), inside.path().join("way_out")).expect("a link");
        let dir = open_dir(inside.path()).expect("a directory");
        let mut artifacts = Artifacts::new(&Limits::default(), Some(dir));
        for path in ["sub/deep/a", "link"] {
            assert!(matches!(artifacts.take(path.as_bytes(), 0, b"new"), Ok(Ok(()))), "{path}");
            assert_eq!(std::fs::read(inside.path().join(path)).expect("written"), b"new");
        }
        assert!(artifacts.files()[0].data.is_none());
        let error = artifacts.take(b"way_out/b", 0, b"new").expect_err("outside");
        assert!(error.to_string().starts_with("the file \"way_out/b\" cannot be written"), "{error}");
        assert_eq!(std::fs::read(outside.path().join("victim")).expect("untouched"), b"safe");
        assert!(!outside.path().join("b").exists());
    }
}
