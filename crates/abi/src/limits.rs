//! Every `MAX_*` of the wire, each with its unit and its reason.
//!
//! Guarantees: both sides apply the same numbers, the encoder before it sends and the decoder before it allocates.
//! A limit a user may lower (output, tool calls, memory) is a policy and lives in the host; these are the ceilings
//! that no policy can raise.
//!
//! Before: nothing. After: `cbor`, `value`, `frame` and `message`, which apply them.

/// Bytes of one encoded value, and of all inputs of a run or all arguments of a call taken together. Large enough
/// for a table of a million numbers, small enough that the copies on the way do not matter.
pub const MAX_VALUE_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of a frame with its header: one value of full size and 64 KiB for what stands around it.
pub const MAX_FRAME_BYTES: usize = MAX_VALUE_BYTES + 64 * 1024;

/// Levels of arrays and maps in a value; a bare number has none. Tags are not levels, since no tag may hold a tag.
/// Decoders that build nested objects may recurse this far.
pub const MAX_VALUE_DEPTH: usize = 64;

/// Data items in a value: each scalar, key, array and map counts one, tags do not. Bounds the objects that a
/// decoder creates from few bytes.
pub const MAX_VALUE_ITEMS: usize = 1_000_000;

/// Bytes of a big integer's magnitude. Bounds the quadratic conversions of Python's `int`.
pub const MAX_INT_BYTES: usize = 65_536;

/// UTF-8 bytes of a tool's name.
pub const MAX_TOOL_NAME_BYTES: usize = 128;

/// Tools offered to one run.
pub const MAX_TOOLS: usize = 1024;

/// Calls of ToolWait that have no reply yet, and so calls, cancellations and replies in one frame. Their arguments count
/// as one value, for its bytes and its items. Enough for every page of a long list at once, few enough that their tasks
/// on the host cost little.
pub const MAX_CALLS_IN_FLIGHT: usize = 1024;

/// UTF-8 bytes of the method of an HTTP request.
pub const MAX_HTTP_METHOD_BYTES: usize = 32;

/// UTF-8 bytes of a URL. Servers take about 8 KiB.
pub const MAX_HTTP_URL_BYTES: usize = 16 * 1024;

/// Headers of an HTTP message.
pub const MAX_HTTP_HEADERS: usize = 128;

/// Bytes of the names and values of all headers of an HTTP message.
pub const MAX_HTTP_HEADER_BYTES: usize = 64 * 1024;

/// Bytes of an HTTP body in one frame: a frame of the guest stays within what it may ask with.
pub const MAX_HTTP_PART_BYTES: usize = 128 * 1024;

/// HTTP exchanges of a run that have neither ended nor been closed. Each may hold a thread and a buffer of the host.
pub const MAX_HTTP_OPEN: usize = 16;

/// UTF-8 bytes of the code of one run.
pub const MAX_CODE_BYTES: usize = 1024 * 1024;

/// Bytes in one Output frame. Longer writes are cut into several, each of which the host may refuse.
pub const MAX_OUTPUT_CHUNK_BYTES: usize = 64 * 1024;

/// UTF-8 bytes of any other single text: an error's type, message and traceback, a report, a name, a tool's
/// documentation. The sender shortens longer ones in the middle and leaves a marker.
pub const MAX_MESSAGE_TEXT_BYTES: usize = 64 * 1024;

/// Elements of a list of texts: modules to warm, modules that failed, program arguments, environment entries.
pub const MAX_LIST_ENTRIES: usize = 1024;

/// Different system calls that one ExitHeader can name as unsupported.
pub const MAX_UNSUPPORTED_SYSCALLS: usize = 12;

/// Arguments of a system call in one Syscall.
pub const MAX_SYSCALL_ARGUMENTS: usize = 6;

/// Bytes of a text that an argument of a system call points to: enough to recognise a path by, and little to carry for
/// each call.
pub const MAX_SYSCALL_TEXT_BYTES: usize = 256;

/// Bytes of a file in one FileRequest or FileReply. A C library gives larger buffers back to the system at once and asks
/// for them again, which costs three times what copying them does.
pub const MAX_FILE_CHUNK_BYTES: usize = 96 * 1024;

/// Bytes of a path in a mount or in /output, Linux' `PATH_MAX` without its final NUL.
pub const MAX_FILE_PATH_BYTES: usize = 4095;

/// Bytes of a name in a directory, Linux' `NAME_MAX`.
pub const MAX_FILE_NAME_BYTES: usize = 255;

/// Entries of a directory in one FileReply: with names of ordinary length they fit one answer.
pub const MAX_LISTED: usize = 256;

/// Mounts of a sandbox.
pub const MAX_MOUNTS: usize = 64;

/// Bytes of a name in an image archive, Linux' `NAME_MAX`.
pub const MAX_ARCHIVE_NAME_BYTES: usize = 255;

/// Bytes of a symbolic link's target in an image archive, Linux' `PATH_MAX` without its final NUL.
pub const MAX_ARCHIVE_LINK_BYTES: usize = 4095;

/// Most bytes in a list of hot pages: 4,096 addresses.
pub const MAX_HOT_SET_BYTES: usize = 4096 * 8;

/// Most bytes of a turn that travel in one hypervisor call (`link`): fits the transport's buffers with room for
/// framing.
pub const MAX_CHUNK_BYTES: usize = 256 * 1024;

/// Most bytes of a turn that the host returns from `ask` (`link`): fits one buffer of the transport with its framing.
pub const MAX_ANSWER_BYTES: usize = 15 * 1024;
