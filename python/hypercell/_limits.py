"""What one run may use."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ._errors import PolicyError

MIB = 1 << 20
DEFAULT_MEMORY_BYTES = 128 * MIB
MAX_MEMORY_BYTES = 8192 * MIB
_MAX_WALL_TIME_S = 366 * 24 * 3600
_RANGES = {
    "memory_bytes": (16 * MIB, MAX_MEMORY_BYTES),
    "output_bytes": (0, 1 << 40),
    "tool_calls": (0, 1 << 40),
    "tool_argument_bytes": (1, 16 * MIB),
    "tool_result_bytes": (1, 16 * MIB),
    "result_bytes": (1, 16 * MIB),
    "code_bytes": (1, MIB),
    "value_depth": (1, 64),
    "http_requests": (0, 1 << 40),
    "http_request_bytes": (0, 1 << 30),
    "http_response_bytes": (0, 1 << 40),
    "file_read_bytes": (0, 1 << 50),
    "file_write_bytes": (0, 1 << 50),
    "open_files": (0, 1024),
    "file_count": (0, 1 << 40),
    "output_file_bytes": (0, 1 << 30),
    "output_total_bytes": (0, 1 << 30),
    "output_file_count": (0, 100_000),
}
# Times, and whether there may be none.
_TIMES = {"wall_time_s": True, "guest_time_s": True, "http_time_s": False}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Ceilings for each run of a sandbox. All are on unless said otherwise.

    Args:
        wall_time_s: Seconds from start to end, tools included. `None` is no limit.
        guest_time_s: Seconds inside the VM, which tools, sleeps and HTTP are not. `None` is no limit but `wall_time_s`.
        memory_bytes: Memory of the guest, in bytes. What the interpreter has at the start counts. Beyond it the
            guest's Python raises MemoryError; a run that touches more of large memory than there is room for ends with
            MemoryLimitError.
        output_bytes: Standard output and standard error together, in bytes.
        tool_calls: Calls of tools.
        tool_argument_bytes: Encoded arguments of one call, in bytes.
        tool_result_bytes: Encoded result of one call, in bytes.
        result_bytes: Encoded result of the run, in bytes.
        code_bytes: The code, in bytes of UTF-8.
        value_depth: Lists, dicts and the like within each other, in any value that crosses. Inputs and arguments are a
            dict themselves. Too deep a value raises where it is sent; a result that deep ends the run.
        http_requests: HTTP requests; each redirect that the host follows is one.
        http_request_bytes: URLs, headers and bodies of all HTTP requests together, in bytes. The host holds a body in
            memory until it is sent.
        http_response_bytes: Headers and bodies of all HTTP responses together, as far as they are read, in bytes.
        http_time_s: Seconds of one HTTP exchange, from the resolution of the name to the last byte of the response.
            Beyond it the guest gets a TimeoutError.
        file_read_bytes: Bytes read from mounts.
        file_write_bytes: Bytes written to mounts; what a file grows by without being written counts too.
        open_files: Files and directories of mounts that are open at once.
        file_count: Files and directories made in mounts.
        output_file_bytes: Each file of /output, in bytes.
        output_total_bytes: All files of /output together, in bytes.
        output_file_count: Files in /output.

    Raises:
        PolicyError: A value is not a number or out of range.
    """

    wall_time_s: float | None = 30.0
    guest_time_s: float | None = None
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    output_bytes: int = MIB
    tool_calls: int = 1000
    tool_argument_bytes: int = MIB
    tool_result_bytes: int = 16 * MIB
    result_bytes: int = 16 * MIB
    code_bytes: int = MIB
    value_depth: int = 64
    http_requests: int = 1000
    http_request_bytes: int = 16 * MIB
    http_response_bytes: int = 64 * MIB
    http_time_s: float = 30.0
    file_read_bytes: int = 16 << 30
    file_write_bytes: int = 1 << 30
    open_files: int = 256
    file_count: int = 10_000
    output_file_bytes: int = 32 * MIB
    output_total_bytes: int = 64 * MIB
    output_file_count: int = 1000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _TIMES:
                _check_time(field.name, value, may_be_none=_TIMES[field.name])
                continue
            if isinstance(value, bool) or not isinstance(value, int):
                raise PolicyError(f"{field.name} must be int, got {type(value).__name__}")
            low, high = _RANGES[field.name]
            if not low <= value <= high:
                raise PolicyError(f"{field.name} must be {low} to {high}, got {value}")


def _check_time(name: str, value: object, *, may_be_none: bool) -> None:
    if value is None and may_be_none:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        wanted = "a number of seconds or None" if may_be_none else "a number of seconds"
        raise PolicyError(f"{name} must be {wanted}, got {type(value).__name__}")
    if not 0 < value <= _MAX_WALL_TIME_S:
        raise PolicyError(f"{name} must be above 0 and at most {_MAX_WALL_TIME_S}, got {value!r}")
