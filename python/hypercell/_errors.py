"""Every exception of hypercell, by who must act.

HypercellError
├── PolicyError (ValueError)            fix the arguments you gave
│   └── CodeTypeError (TypeError)       the code is no text
├── ValueNotSendableError (TypeError)   a value that cannot cross; its message names the path to it
├── ImageError                          guest files are missing, damaged or of an unsupported interpreter
├── SnapshotError                       a snapshot is damaged, of another version or processor, or cannot be kept
├── SandboxUnavailableError             this machine cannot start micro-VMs; the message says what to do
├── SandboxClosedError                  the sandbox was closed
├── SandboxBusyError                    the sandbox runs something already
├── SandboxPoisonedError                state that was to be kept is lost; call `reset()`
├── DeniedError                         raise it in a hook, such as `before_tool_call`: what it sees is denied
├── LimitError                          the run passed a limit
│   ├── TimeLimitError
│   ├── MemoryLimitError
│   ├── OutputLimitError
│   ├── ToolLimitError
│   ├── NetworkLimitError
│   ├── FileLimitError                  files of mounts or of /output: bytes, number, open at once
│   └── CodeLimitError (PolicyError)    the code is too long; nothing ran
├── OutputDirError                      a file of /output cannot be written to `output_dir`
├── RunCancelledError                   the run was cancelled
├── GuestCrashError                     the program killed its interpreter or VM
├── ProtocolError                       the guest broke the rules of the wire: treat it as hostile
└── GuestCodeError                      `raise_for_error()`: the submitted code raised

An exception of the submitted code is none of these: it is `RunResult.error`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._result import GuestError, RunResult


class HypercellError(Exception):
    """Base of everything that hypercell raises."""

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[HypercellError], args: tuple[Any, ...], attributes: dict[str, Any]) -> HypercellError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class PolicyError(HypercellError, ValueError):
    """An argument of the caller cannot be: a limit, a tool, a name, code that is no text."""


class CodeTypeError(PolicyError, TypeError):
    """The code given to `Sandbox.run` is not a str."""


class ValueNotSendableError(HypercellError, TypeError):
    """A value cannot cross between host and guest. The message names the path to it and its type."""


class ImageError(HypercellError):
    """The image of the interpreter cannot be made or loaded."""


class SnapshotError(HypercellError):
    """A snapshot cannot be taken, saved or loaded. The message says why: version, processor, digest, contents."""


class SandboxUnavailableError(HypercellError):
    """This machine or installation cannot start a micro-VM. The message says which part is missing and what to do."""


class DeniedError(HypercellError):
    """Raised by a hook of the caller: the tool is not called, the request not sent, the file not opened.

    The guest sees `ToolError` or `PermissionError` with this text; `PermissionError` without it for a file.
    """


class SandboxClosedError(HypercellError):
    """The sandbox was used after `close()`."""


class SandboxBusyError(HypercellError):
    """The sandbox was used while it runs something, by another thread or by one of its own tools."""


class SandboxPoisonedError(HypercellError):
    """A sandbox with `keep_state=True` lost its state in the run before. `reset()` makes it usable again."""


class LimitError(HypercellError):
    """A run passed a limit. What it wrote until then is in `result`.

    Attributes:
        limit: Name of the limit, such as `"wall_time_s"`.
        used: What the run used or asked for, in `unit`.
        maximum: What was allowed, in `unit`.
        unit: `"s"`, `"bytes"`, `"calls"`, `"requests"`, `"files"` or `"levels"`.
        result: Output and usage until the limit, or `None` where nothing ran.
    """

    limit: str = ""
    used: float = 0
    maximum: float = 0
    unit: str = ""
    result: RunResult | None = None

    def __init__(
        self, message: str = "", *, limit: str = "", used: float = 0, maximum: float = 0, unit: str = ""
    ) -> None:
        super().__init__(message)
        self.limit, self.used, self.maximum, self.unit = limit, used, maximum, unit


class TimeLimitError(LimitError):
    """The run, its tools included, took longer than `Limits.wall_time_s`, or its code than `Limits.guest_time_s`.

    Attributes:
        tool: Name of the tool that had not returned, or `None` if the guest was running.
    """

    tool: str | None = None


class MemoryLimitError(LimitError):
    """The guest ran out of memory in a way that Python could not turn into a MemoryError."""


class OutputLimitError(LimitError):
    """The run wrote more than `Limits.output_bytes`."""


class ToolLimitError(LimitError):
    """The run called tools more often than `Limits.tool_calls`."""


class NetworkLimitError(LimitError):
    """The run made more HTTP requests than `Limits.http_requests`, or with more bytes than another limit allows."""


class FileLimitError(LimitError):
    """The run passed a limit of `Limits` on files of mounts or of `/output`.

    Files of `/output` that were whole by then are in `result.files`.
    """


class CodeLimitError(LimitError, PolicyError):
    """The code is longer than `Limits.code_bytes`. Nothing ran."""


class OutputDirError(HypercellError):
    """A file that the run left in `/output` cannot be written to `output_dir`: no room, or no permission.

    Attributes:
        result: Output and usage until then, with the files that were written.
    """

    result: RunResult | None = None


class RunCancelledError(HypercellError):
    """The run was cancelled.

    Attributes:
        result: Output and usage until then, or `None` where nothing ran.
    """

    result: RunResult | None = None


class GuestCrashError(HypercellError):
    """The submitted code killed its interpreter (a fatal signal) or its VM.

    Attributes:
        report: Signal, address, registers, stack and mappings, for a bug report. It is what the
            guest says: quote it before you print it.
        result: Output and usage until the crash; standard error ends with the Python stack where there was one.
    """

    report: str = ""
    result: RunResult | None = None

    def __init__(self, message: str = "", *, report: str = "") -> None:
        super().__init__(message)
        self.report = report


class ProtocolError(HypercellError):
    """The guest sent what no honest guest sends.

    Attributes:
        result: Output and usage until then, or `None` where nothing ran.
    """

    result: RunResult | None = None


class GuestCodeError(HypercellError):
    """The submitted code raised an exception; raised by `RunResult.raise_for_error()` only.

    Attributes:
        error: What the code raised.
    """

    def __init__(self, error: GuestError) -> None:
        super().__init__(f"{error.type}: {error.message}" if error.message else error.type)
        self.error = error

    def __reduce__(self) -> Any:
        return GuestCodeError, (self.error,)
