"""What a run ends with."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from typing import Any, Literal

from ._errors import GuestCodeError

_UNKNOWN = "application/octet-stream"
_ENCODINGS = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "br": "application/x-brotli",
    "compress": "application/x-compress",
}


@dataclass(frozen=True)
class GuestError:
    """An exception that the submitted code did not catch.

    Attributes:
        type: Name of its class, such as `"ValueError"`.
        message: Its text.
        traceback: What CPython prints for it, with the line numbers and lines of the submitted code.
        line: The innermost line of the submitted code that it passed through, from 1, or `None`.
    """

    type: str
    message: str
    traceback: str
    line: int | None = None

    def __str__(self) -> str:
        return self.traceback.rstrip("\n")


@dataclass(frozen=True)
class Usage:
    """What a run used.

    Attributes:
        wall_time_s: Seconds from start to end, tools included.
        guest_time_s: Seconds inside the VM.
        tool_calls: Calls of tools.
        http_requests: HTTP requests, denied ones and redirects that the host followed included.
        http_request_bytes: Bytes of HTTP requests: URLs, headers and bodies.
        http_response_bytes: Bytes of HTTP responses, as far as they were read: headers and bodies.
        http_time_s: Seconds spent waiting for HTTP servers.
        output_bytes: Bytes written to standard output and standard error.
        memory_peak_bytes: Most bytes of memory the VM had of its own, beyond what it shares with its image.
        turns: Times the VM was entered.
        page_faults: Page faults the guest kernel answered.
        syscalls: System calls of the guest's Python.
        code_bytes: Bytes of the code, in UTF-8.
        tool_argument_bytes: Most bytes of encoded arguments that a tool call had, denied ones included.
        tool_result_bytes: Most bytes of an encoded result of a tool.
        result_bytes: Bytes of the encoded result of the run.
        value_depth: Levels of the deepest value that crossed or was refused: inputs, arguments, results.
        file_read_bytes: Bytes read from mounts.
        file_write_bytes: Bytes written to mounts, and what files grew by without being written.
        open_files: Most files and directories of mounts open at once.
        file_count: Files and directories made in mounts.
        output_file_bytes: Bytes of the largest file of `/output`.
        output_total_bytes: Bytes of all files of `/output`.
        output_file_count: Files of `/output`.
    """

    wall_time_s: float = 0.0
    guest_time_s: float = 0.0
    tool_calls: int = 0
    http_requests: int = 0
    http_request_bytes: int = 0
    http_response_bytes: int = 0
    http_time_s: float = 0.0
    output_bytes: int = 0
    memory_peak_bytes: int = 0
    turns: int = 0
    page_faults: int = 0
    syscalls: int = 0
    code_bytes: int = 0
    tool_argument_bytes: int = 0
    tool_result_bytes: int = 0
    result_bytes: int = 0
    value_depth: int = 0
    file_read_bytes: int = 0
    file_write_bytes: int = 0
    open_files: int = 0
    file_count: int = 0
    output_file_bytes: int = 0
    output_total_bytes: int = 0
    output_file_count: int = 0


@dataclass(frozen=True)
class File:
    """A file that a run left in `/output`.

    Attributes:
        path: Path below `/output`, such as `"plots/a.png"`, decoded as by `os.fsdecode`.
        size: Bytes.
        media_type: Guessed from the name, such as `"image/png"`; `"application/octet-stream"` where it says nothing.
        data: The contents; `None` where `output_dir` has them.
    """

    path: str
    size: int
    media_type: str
    data: bytes | None = field(repr=False)


@dataclass(frozen=True)
class OutputEvent:
    """Something that the code wrote, as soon as it is known.

    Attributes:
        stream: `"stdout"` or `"stderr"`.
        text: What was written, of any length, in whole characters; bytes that are no UTF-8 become U+FFFD.
    """

    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True)
class PendingCall:
    """A tool call at which a run is paused.

    Attributes:
        tool: Name of the tool.
        arguments: What the code called it with, by name; positional ones that no tool at hand can name are a list under
            `""`. Guest-controlled.
        line: Line of the code that makes the call, from 1; None if unknown, as in a task that the code did not make
            itself. Guest-controlled.
    """

    tool: str
    arguments: dict[str, Any]
    line: int | None = None


@dataclass(frozen=True)
class RunResult:
    """The outcome of one run.

    Attributes:
        value: Value of the last expression, or of `result` where the code sets it, as plain Python; `None` after an
            error.
        stdout: What the code wrote to standard output.
        stderr: What the code wrote to standard error.
        error: The exception that ended the code, or `None`.
        exit_code: Status given to `sys.exit` or `os._exit`, or `None`.
        files: What was in `/output` at the end, by path. Links are left out.
        usage: What the run used.
        unsupported_syscalls: System calls that the guest kernel refused, by name, and how often.
        pending: The call at which the run is paused, if it is not over: `Sandbox.resume` goes on. Output and usage are
            those until then.
    """

    value: Any = None
    stdout: str = ""
    stderr: str = ""
    error: GuestError | None = None
    exit_code: int | None = None
    files: dict[str, File] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    unsupported_syscalls: dict[str, int] = field(default_factory=dict)
    pending: PendingCall | None = None

    def raise_for_error(self) -> None:
        """Raises the error of the submitted code, if it had one.

        Raises:
            GuestCodeError: The code raised an exception.
        """
        if self.error is not None:
            raise GuestCodeError(self.error)


def result_of(done: Any, pending: PendingCall | None = None) -> RunResult:
    """Makes a result of a native `Done`."""
    return RunResult(
        value=done.value,
        stdout=done.stdout,
        stderr=done.stderr,
        error=None if done.error is None else GuestError(*done.error),
        exit_code=done.exit_code,
        files={file.path: file for file in map(_file_of, done.files)} if done.files else {},
        usage=Usage(**done.usage),
        unsupported_syscalls=dict(done.unsupported_syscalls),
        pending=pending,
    )


@functools.cache
def _media_types() -> Any:
    # Its import takes a millisecond, and most runs leave no files. What the system adds to the table is left out.
    import mimetypes

    return mimetypes.MimeTypes()


def _file_of(native: tuple[bytes, int, bytes | None]) -> File:
    path = os.fsdecode(native[0])
    kind, encoding = _media_types().guess_type(path, strict=False)
    # "x.tar.gz" is gzip data, whatever is in it.
    media_type = _ENCODINGS.get(encoding, _UNKNOWN) if encoding else kind or _UNKNOWN
    return File(path, native[1], media_type, native[2])
