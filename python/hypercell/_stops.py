"""Why this side stops a run, and the error that says so to whoever called `run`.

Before: `_runner`, `_async`. After: nothing.
"""

from __future__ import annotations

from ._errors import HypercellError, RunCancelledError, SandboxClosedError, TimeLimitError

TIME_IS_OVER = "the wall time is over"
CANCELLED = "cancelled by the caller"
CLOSED = "the sandbox was closed"
CALLER_LEFT = "the caller was interrupted"
EXITING = "the process ends"


def error_of(reason: str | None, used_s: float, wall_time_s: float | None) -> HypercellError:
    """Returns the error of a run that was stopped.

    Args:
        reason: One of the above.
        used_s: How long the run took, in seconds.
        wall_time_s: How long it might have, in seconds; `None` is for ever.
    """
    if reason == CLOSED:
        return SandboxClosedError("the sandbox was closed while it ran something")
    if reason != TIME_IS_OVER:
        return RunCancelledError(f"the run was cancelled: {reason}")
    maximum = wall_time_s or 0.0
    return TimeLimitError(
        f"the run took {used_s:.3f} s, which exceeds wall_time_s, which is {maximum:g} s",
        limit="wall_time_s",
        used=used_s,
        maximum=maximum,
        unit="s",
    )
