//! What one sandbox may use: plain data, checked once.
//!
//! Guarantees: a [`Limits`] that passed `check` is within what the wire and the VM can do; a setting that cannot take
//! effect is an error, never ignored. Never: does I/O.
//!
//! Before: the caller. After: `sandbox`, which makes budgets of it.

use std::time::Duration;

use hypercell_abi::limits::{
    MAX_CODE_BYTES, MAX_TOOL_NAME_BYTES, MAX_TOOLS, MAX_VALUE_BYTES, MAX_VALUE_DEPTH,
};
use serde::{Deserialize, Serialize};

use crate::error::UsageError;

/// Smallest memory limit. An idle interpreter has a few mebibytes of its own.
pub const MIN_MEMORY_BYTES: u64 = 16 << 20;
/// Largest memory limit. The hypervisor's library gives a VM at most 16 GiB of writable memory, and as much for a snapshot.
pub const MAX_MEMORY_BYTES: u64 = 8 << 30;
/// Longest wall-time limit: a year. Without a limit, say `None`.
pub const MAX_WALL_TIME: Duration = Duration::from_secs(366 * 24 * 3600);
/// Largest limit of what a run's HTTP requests may have together.
pub const MAX_HTTP_REQUEST_BYTES: u64 = 1 << 30;
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Time from the start to the end of a run, tools included; `None` is no limit.
    pub wall_time: Option<Duration>,
    /// Time inside the guest, which tools, sleeps and HTTP are not; `None` is no limit.
    pub guest_time: Option<Duration>,
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
    /// Lists, dicts and the like within each other, in any value that crosses; inputs and arguments are a dict themselves.
    pub value_depth: u64,
    /// HTTP requests; each redirect that the host follows is one.
    pub http_requests: u64,
    /// HTTP requests of a run together: URLs, headers and bodies. The host holds each request in memory.
    pub http_request_bytes: u64,
    /// HTTP responses of a run together: headers and bodies, as far as the guest reads them.
    pub http_response_bytes: u64,
    /// Time of one HTTP exchange, from the name's resolution to the last byte of the response, redirects included.
    pub http_time: Duration,
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
    /// each, 16 MiB of result, 1 MiB of code, values of 64 levels; 1000 HTTP requests with 16 MiB together, 64 MiB of responses, 30 seconds each;
    /// from mounts 16 GiB read, 1 GiB written, 256 files open at once, 10,000 made;
    /// 1000 files in /output of 32 MiB each and 64 MiB together.
    fn default() -> Self {
        Self {
            wall_time: Some(Duration::from_secs(30)),
            guest_time: None,
            memory_bytes: 128 << 20,
            output_bytes: 1 << 20,
            tool_calls: 1000,
            tool_argument_bytes: 1 << 20,
            tool_result_bytes: MAX_VALUE_BYTES as u64,
            result_bytes: MAX_VALUE_BYTES as u64,
            code_bytes: MAX_CODE_BYTES as u64,
            value_depth: MAX_VALUE_DEPTH as u64,
            http_requests: 1000,
            http_request_bytes: 16 << 20,
            http_response_bytes: 64 << 20,
            http_time: Duration::from_secs(30),
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
            ("value_depth", self.value_depth, 1, MAX_VALUE_DEPTH as u64),
            ("http_requests", self.http_requests, 0, u64::MAX),
            ("http_request_bytes", self.http_request_bytes, 0, MAX_HTTP_REQUEST_BYTES),
            ("http_response_bytes", self.http_response_bytes, 0, u64::MAX),
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
        let times = [
            ("wall_time_s", self.wall_time),
            ("guest_time_s", self.guest_time),
            ("http_time_s", Some(self.http_time)),
        ];
        for (limit, time) in times {
            if let Some(value) = time
                && (value.is_zero() || value > MAX_WALL_TIME)
            {
                return Err(UsageError::TimeOutOfRange { limit, value, max: MAX_WALL_TIME });
            }
        }
        Ok(())
    }

    /// Returns name and values of the first limit that differs.
    pub(crate) fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let seconds = |time: Option<Duration>| {
            time.map_or_else(|| "none".to_owned(), |time| time.as_secs_f64().to_string())
        };
        [
            ("wall_time_s", seconds(self.wall_time), seconds(other.wall_time)),
            ("guest_time_s", seconds(self.guest_time), seconds(other.guest_time)),
            ("memory_bytes", self.memory_bytes.to_string(), other.memory_bytes.to_string()),
            ("output_bytes", self.output_bytes.to_string(), other.output_bytes.to_string()),
            ("tool_calls", self.tool_calls.to_string(), other.tool_calls.to_string()),
            (
                "tool_argument_bytes",
                self.tool_argument_bytes.to_string(),
                other.tool_argument_bytes.to_string(),
            ),
            ("tool_result_bytes", self.tool_result_bytes.to_string(), other.tool_result_bytes.to_string()),
            ("result_bytes", self.result_bytes.to_string(), other.result_bytes.to_string()),
            ("code_bytes", self.code_bytes.to_string(), other.code_bytes.to_string()),
            ("value_depth", self.value_depth.to_string(), other.value_depth.to_string()),
            ("http_requests", self.http_requests.to_string(), other.http_requests.to_string()),
            ("http_request_bytes", self.http_request_bytes.to_string(), other.http_request_bytes.to_string()),
            (
                "http_response_bytes",
                self.http_response_bytes.to_string(),
                other.http_response_bytes.to_string(),
            ),
            ("file_read_bytes", self.file_read_bytes.to_string(), other.file_read_bytes.to_string()),
            ("file_write_bytes", self.file_write_bytes.to_string(), other.file_write_bytes.to_string()),
            ("open_files", self.open_files.to_string(), other.open_files.to_string()),
            ("file_count", self.file_count.to_string(), other.file_count.to_string()),
            ("output_file_bytes", self.output_file_bytes.to_string(), other.output_file_bytes.to_string()),
            ("output_total_bytes", self.output_total_bytes.to_string(), other.output_total_bytes.to_string()),
            ("output_file_count", self.output_file_count.to_string(), other.output_file_count.to_string()),
            ("http_time_s", seconds(Some(self.http_time)), seconds(Some(other.http_time))),
        ]
        .into_iter()
        .find(|(_, one, two)| one != two)
    }

    /// Returns the memory limit in whole pages.
    pub(crate) fn memory_pages(&self) -> u32 {
        u32::try_from(self.memory_bytes / PAGE_BYTES).unwrap_or(u32::MAX)
    }
}

/// A tool as the guest is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolInfo {
    /// The name that `call_tool` takes.
    pub name: String,
    /// Shown by `help()` in the guest.
    pub doc: String,
    /// Its parameters, in whatever form: a snapshot goes on only with tools that have the same.
    pub schema: String,
    /// Whether a call of it pauses the run: it becomes a step, and no time passes until `resume`.
    pub pauses: bool,
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
        let tool = ToolInfo { name: "f".into(), ..ToolInfo::default() };
        let error = check_tools(&[tool.clone(), tool]).expect_err("the same name twice");
        assert_eq!(error.to_string(), "two tools have the name \"f\"");
    }
}
