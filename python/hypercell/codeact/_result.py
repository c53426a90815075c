"""What a block ended with, and how much of it a model is shown.

Before: `_block`. After: `hypercell._result`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .._errors import PolicyError
from .._result import File, GuestError, Usage

if TYPE_CHECKING:
    from ._suspended import SuspendedBlock

#: Characters that `CodeResult.render` gives a model unless told otherwise: some 4,000 tokens.
DEFAULT_RENDER_CHARS = 16_000
_MIN_RENDER_CHARS = 200
_FILES_SHOWN = 50

Status: TypeAlias = Literal["ok", "error", "denied", "suspended"]


@dataclass(frozen=True)
class Intervention:
    """A decision of a policy or an approver that changed something, or warned.

    Attributes:
        point: Where.
        decision: `"warn"`, `"deny"`, `"transform"`, `"edit"` or `"escalate"`.
        tool: Name of the tool, around a call.
        reason: Why, if somebody said.
    """

    point: str
    decision: str
    tool: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class CodeResult:
    """What a block ended with.

    Attributes:
        status: `"ok"`; `"error"`, the code raised or passed a limit; `"denied"`, it was not let run or not let answer;
            `"suspended"`, it waits for an approval.
        value: Value of the last expression, or of `result` where the code sets it.
        stdout: What it wrote to standard output.
        stderr: What it wrote to standard error.
        error: What ended it, with type, message and traceback, or None. Of a limit the type is that of the
            exception, such as `"TimeLimitError"`.
        files: What it left in /output, with media type and contents.
        usage: What it used.
        interventions: What policy and approver changed, in order.
        suspended: What waits, if the block is suspended.
    """

    status: Status
    value: Any = None
    stdout: str = ""
    stderr: str = ""
    error: GuestError | None = None
    files: tuple[File, ...] = ()
    usage: Usage = field(default_factory=Usage)
    interventions: tuple[Intervention, ...] = ()
    suspended: SuspendedBlock | None = None

    @property
    def text(self) -> str:
        """All of it as text, of any length: output, value, error and the names of files."""
        return "\n".join(f"{head}{body}" for head, body in self._parts()) or _NOTHING

    def render(self, max_chars: int = DEFAULT_RENDER_CHARS) -> str:
        """Returns it as text for a model. What is cut is in the middle of its part, where the text says how much.

        Args:
            max_chars: Longest text, in characters; at least 200.

        Raises:
            PolicyError: `max_chars` is no int or too small.
        """
        if isinstance(max_chars, bool) or not isinstance(max_chars, int) or max_chars < _MIN_RENDER_CHARS:
            raise PolicyError(f"max_chars must be an int of at least {_MIN_RENDER_CHARS}, got {max_chars!r}")
        parts = self._parts()
        shares = _shares([len(head) + len(body) + 1 for head, body in parts], max_chars)
        cut = [
            f"{head}{_cut(body, share - len(head) - 1)}"
            for (head, body), share in zip(parts, shares, strict=True)
        ]
        return "\n".join(cut) or _NOTHING

    def _parts(self) -> list[tuple[str, str]]:
        """Returns what there is to say, as pairs of a heading and a text."""
        parts = []
        if self.stdout:
            parts.append(("", self.stdout.rstrip("\n")))
        if self.stderr:
            parts.append(("stderr:\n", self.stderr.rstrip("\n")))
        if self.value is not None:
            parts.append(("value: ", self.value if isinstance(self.value, str) else repr(self.value)))
        if self.error is not None:
            parts.append(("error: ", _error_text(self.error)))
        if self.files:
            parts.append(("files in /output: ", _file_list(self.files)))
        if self.suspended is not None:
            call = self.suspended.request
            parts.append(("waits for an approval: ", f"{call.tool} with {dict(call.arguments)!r}"))
        return parts


_NOTHING = "The code ended without output and without a value."


def _error_text(error: GuestError) -> str:
    return error.traceback.rstrip("\n") if error.traceback else f"{error.type}: {error.message}"


def _file_list(files: tuple[File, ...]) -> str:
    shown = [f"{file.path} ({file.media_type}, {file.size} bytes)" for file in files[:_FILES_SHOWN]]
    if len(files) > _FILES_SHOWN:
        shown.append(f"and {len(files) - _FILES_SHOWN} more")
    return ", ".join(shown)


def _shares(lengths: list[int], total: int) -> list[int]:
    """Shares a length out: who needs less than an equal part leaves the rest to the others."""
    shares = [0] * len(lengths)
    left, waiting = total, sorted(range(len(lengths)), key=lambda index: lengths[index])
    while waiting:
        index = waiting.pop(0)
        shares[index] = min(lengths[index], left // (len(waiting) + 1))
        left -= shares[index]
    return shares


def _cut(text: str, length: int) -> str:
    """Returns text of at most `length` characters; its middle is left out, and the text says how much that is."""
    if len(text) <= length:
        return text
    kept = max(0, length - len(_note(len(text), len(text))))
    head = (kept + 1) // 2
    note = _note(len(text) - kept, len(text))
    return (text[:head] + note + text[len(text) - (kept - head) :])[: max(length, 0)]


def _note(left_out: int, length: int) -> str:
    return f"\n[... {left_out:,} of {length:,} characters left out ...]\n"
