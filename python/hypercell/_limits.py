"""What one run may use."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ._errors import PolicyError

MIB = 1 << 20
DEFAULT_MEMORY_BYTES = 128 * MIB
MAX_MEMORY_BYTES = 512 * MIB
_MAX_WALL_TIME_S = 366 * 24 * 3600
_RANGES = {
    "memory_bytes": (16 * MIB, MAX_MEMORY_BYTES),
    "output_bytes": (0, 1 << 40),
    "tool_calls": (0, 1 << 40),
    "tool_argument_bytes": (1, 16 * MIB),
    "tool_result_bytes": (1, 16 * MIB),
    "result_bytes": (1, 16 * MIB),
    "code_bytes": (1, MIB),
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Ceilings for each run of a sandbox. All are on unless said otherwise.

    Args:
        wall_time_s: Seconds from start to end, tools included. `None` is no limit.
        memory_bytes: Memory of the guest, in bytes. What the interpreter has at the start counts. Beyond it the
            guest's Python raises MemoryError.
        output_bytes: Standard output and standard error together, in bytes.
        tool_calls: Calls of tools.
        tool_argument_bytes: Encoded arguments of one call, in bytes.
        tool_result_bytes: Encoded result of one call, in bytes.
        result_bytes: Encoded result of the run, in bytes.
        code_bytes: The code, in bytes of UTF-8.

    Raises:
        PolicyError: A value is not a number or out of range.
    """

    wall_time_s: float | None = 30.0
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    output_bytes: int = MIB
    tool_calls: int = 1000
    tool_argument_bytes: int = MIB
    tool_result_bytes: int = 16 * MIB
    result_bytes: int = 16 * MIB
    code_bytes: int = MIB

    def __post_init__(self) -> None:
        wall = self.wall_time_s
        if wall is not None:
            if isinstance(wall, bool) or not isinstance(wall, (int, float)):
                raise PolicyError(
                    f"wall_time_s must be a number of seconds or None, got {type(wall).__name__}"
                )
            if not 0 < wall <= _MAX_WALL_TIME_S:
                raise PolicyError(f"wall_time_s must be above 0 and at most {_MAX_WALL_TIME_S}, got {wall!r}")
        for field in fields(self):
            if field.name == "wall_time_s":
                continue
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise PolicyError(f"{field.name} must be int, got {type(value).__name__}")
            low, high = _RANGES[field.name]
            if not low <= value <= high:
                raise PolicyError(f"{field.name} must be {low} to {high}, got {value}")
