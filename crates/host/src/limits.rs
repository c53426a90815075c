//! What one sandbox may use: plain data, checked once.
//!
//! Guarantees: a [`Limits`] that passed `check` is within what the wire and the VM can do; a setting that cannot take
//! effect is an error, never ignored. Never: does I/O.
//!
//! Before: the caller. After: `sandbox`, which makes budgets of it.

use std::time::Duration;

use hypercell_abi::limits::{MAX_CODE_BYTES, MAX_TOOL_NAME_BYTES, MAX_TOOLS, MAX_VALUE_BYTES};

use crate::error::UsageError;

/// Smallest memory limit. An idle interpreter has a few mebibytes of its own.
pub const MIN_MEMORY_BYTES: u64 = 16 << 20;
/// Largest memory limit.
pub const MAX_MEMORY_BYTES: u64 = 64 << 30;
/// Longest wall-time limit: a year. Without a limit, say `None`.
pub const MAX_WALL_TIME: Duration = Duration::from_secs(366 * 24 * 3600);
/// Most files of mounts that a run may have open at once: the guest has as many descriptors.
pub(crate) const MAX_OPEN_FILES: u64 = 1024;
/// Most bytes of files in /output: they are held in memory.
pub(crate) const MAX_OUTPUT_FILES_BYTES: u64 = 1 << 30;
/// Most files in /output.
pub(crate) const MAX_OUTPUT_FILES: u64 = 100_000;
/// Bytes of a page of guest memory.
pub(crate) const PAGE_BYTES: u64 = 4096;
/// Longest documentation of a tool that is sent to the guest.
const MAX_TOOL_DOC_BYTES: usize = hypercell_abi::limits::MAX_MESSAGE_TEXT_BYTES;

/// Ceilings for each run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Time from the start to the end of a run, tools included; `None` is no limit.
    pub wall_time: Option<Duration>,
    /// Memory of the guest: what the interpreter has at the start counts.
    pub memory_bytes: u64,
    /// Standard output and standard error together.
    pub output_bytes: u64,
    /// Tool calls.
    pub tool_calls: u64,
    /// Encoded arguments of one tool call.
    pub tool_argument_bytes: u64,
    /// Encoded result of one tool call.
    pub tool_result_bytes: u64,
    /// Encoded result of the run.
    pub result_bytes: u64,
    /// UTF-8 bytes of the code.
    pub code_bytes: u64,
    /// Bytes read from mounts.
    pub file_read_bytes: u64,
    /// Bytes written to mounts; what a file grows by without being written counts too.
    pub file_write_bytes: u64,
    /// Files and directories of mounts open at once.
    pub open_files: u64,
    /// Files and directories made in mounts.
    pub file_count: u64,
    /// One file of /output.
    pub output_file_bytes: u64,
    /// All files of /output together.
    pub output_total_bytes: u64,
    /// Number of files in /output.
    pub output_file_count: u64,
}

impl Default for Limits {
    /// 30 seconds, 128 MiB of memory, 1 MiB of output, 1000 tool calls with 1 MiB of arguments and 16 MiB of result
    /// each, 16 MiB of result, 1 MiB of code; from mounts 16 GiB read, 1 GiB written, 256 files open at once, 10,000 made;
    /// 1000 files in /output of 32 MiB each and 64 MiB together.
    fn default() -> Self {
        Self {
            wall_time: Some(Duration::from_secs(30)),
            memory_bytes: 128 << 20,
            output_bytes: 1 << 20,
            tool_calls: 1000,
            tool_argument_bytes: 1 << 20,
            tool_result_bytes: MAX_VALUE_BYTES as u64,
            result_bytes: MAX_VALUE_BYTES as u64,
            code_bytes: MAX_CODE_BYTES as u64,
            file_read_bytes: 16 << 30,
            file_write_bytes: 1 << 30,
            open_files: 256,
            file_count: 10_000,
            output_file_bytes: 32 << 20,
            output_total_bytes: 64 << 20,
            output_file_count: 1000,
        }
    }
}

impl Limits {
    /// Checks each limit against what can take effect.
    ///
    /// # Errors
    ///
    /// [`UsageError::LimitOutOfRange`] for the first that cannot.
    pub fn check(&self) -> Result<(), UsageError> {
        let value_max = MAX_VALUE_BYTES as u64;
        let ranges = [
            ("memory_bytes", self.memory_bytes, MIN_MEMORY_BYTES, MAX_MEMORY_BYTES),
            ("output_bytes", self.output_bytes, 0, u64::MAX),
            ("tool_calls", self.tool_calls, 0, u64::MAX),
            ("tool_argument_bytes", self.tool_argument_bytes, 1, value_max),
            ("tool_result_bytes", self.tool_result_bytes, 1, value_max),
            ("result_bytes", self.result_bytes, 1, value_max),
            ("code_bytes", self.code_bytes, 1, MAX_CODE_BYTES as u64),
            ("file_read_bytes", self.file_read_bytes, 0, u64::MAX),
            ("file_write_bytes", self.file_write_bytes, 0, u64::MAX),
            ("open_files", self.open_files, 0, MAX_OPEN_FILES),
            ("file_count", self.file_count, 0, u64::MAX),
            ("output_file_bytes", self.output_file_bytes, 0, MAX_OUTPUT_FILES_BYTES),
            ("output_total_bytes", self.output_total_bytes, 0, MAX_OUTPUT_FILES_BYTES),
            ("output_file_count", self.output_file_count, 0, MAX_OUTPUT_FILES),
        ];
        for (limit, value, min, max) in ranges {
            if value < min || value > max {
                return Err(UsageError::LimitOutOfRange { limit, value, min, max });
            }
        }
        match self.wall_time {
            Some(time) if time.is_zero() || time > MAX_WALL_TIME => {
                Err(UsageError::WallTimeOutOfRange { value: time, max: MAX_WALL_TIME })
            }
            _ => Ok(()),
        }
    }

    /// Returns the memory limit in whole pages.
    pub(crate) fn memory_pages(&self) -> u32 {
        u32::try_from(self.memory_bytes / PAGE_BYTES).unwrap_or(u32::MAX)
    }
}

/// A tool as the guest is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolInfo {
    /// The name that `call_tool` takes.
    pub name: String,
    /// Shown by `help()` in the guest.
    pub doc: String,
}

/// Checks names and number of the tools of a sandbox.
pub(crate) fn check_tools(tools: &[ToolInfo]) -> Result<(), UsageError> {
    if tools.len() > MAX_TOOLS {
        return Err(UsageError::TooManyTools { count: tools.len(), max: MAX_TOOLS });
    }
    let mut names = std::collections::HashSet::new();
    for tool in tools {
        let name_bytes = tool.name.len();
        if name_bytes == 0 || name_bytes > MAX_TOOL_NAME_BYTES {
            return Err(UsageError::ToolNameLength {
                name: tool.name.clone(),
                len_bytes: name_bytes,
                max_bytes: MAX_TOOL_NAME_BYTES,
            });
        }
        if tool.doc.len() > MAX_TOOL_DOC_BYTES {
            return Err(UsageError::ToolDocTooLong {
                name: tool.name.clone(),
                len_bytes: tool.doc.len(),
                max_bytes: MAX_TOOL_DOC_BYTES,
            });
        }
        if !names.insert(tool.name.as_str()) {
            return Err(UsageError::ToolNameTwice { name: tool.name.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_limits_can_take_effect() {
        assert_eq!(Limits::default().check(), Ok(()));
    }

    #[test]
    fn limit_that_the_wire_cannot_keep_is_refused() {
        let limits = Limits { result_bytes: MAX_VALUE_BYTES as u64 + 1, ..Limits::default() };
        let error = limits.check().expect_err("above the wire's limit");
        assert_eq!(error.to_string(), "result_bytes is 16777217, which is not from 1 to 16777216");
    }

    #[test]
    fn wall_time_of_zero_is_refused() {
        let limits = Limits { wall_time: Some(Duration::ZERO), ..Limits::default() };
        let error = limits.check().expect_err("no time at all");
        assert_eq!(error.to_string(), "wall_time_s is 0, which is not above 0 and up to 31622400");
    }

    #[test]
    fn tool_name_given_twice_is_refused() {
        let tool = ToolInfo { name: "f".into(), doc: String::new() };
        let error = check_tools(&[tool.clone(), tool]).expect_err("the same name twice");
        assert_eq!(error.to_string(), "two tools have the name \"f\"");
    }
}
