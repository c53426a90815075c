"""What a sandbox decides and does, as events for the caller: to a function, to `logging`, to a file.

Guarantees: one event for each decision of a gate and each step of a sandbox's life, in order; a caller's function that
raises is reported as Python reports exceptions it cannot raise, and the run goes on. Never: decides anything.

Before: the native module, `_sandbox`, `_hooks`. After: the caller's function.
"""

from __future__ import annotations

import functools
import io
import json
import os
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal, TextIO

from ._errors import PolicyError
from ._image import native
from ._process import ForkSafeLock

if TYPE_CHECKING:
    import logging

AuditKind = Literal[
    "sandbox_made",
    "sandbox_closed",
    "snapshot_taken",
    "state_reset",
    "run_started",
    "run_paused",
    "run_resumed",
    "run_ended",
    "tool_allowed",
    "tool_denied",
    "tool_rewritten",
    "tool_answered",
    "output_allowed",
    "http_allowed",
    "http_denied",
    "http_rewritten",
    "http_answered",
    "http_failed",
    "file_allowed",
    "file_denied",
    "file_rewritten",
    "artifact_allowed",
    "limit_reached",
    "unknown",
]


@dataclass(frozen=True, repr=False, kw_only=True)
class AuditEvent:
    """One decision of a gate, or one step in the life of a sandbox.

    The first four attributes are always there. Each other one is `None` unless it belongs to the event:

    - `sandbox_made`, `sandbox_closed`, `snapshot_taken`, `state_reset`: none.
    - `run_started`: `name` (of the code), `code_bytes`.
    - `run_paused`: `call`, `name`. `run_resumed`: `call`. `run_ended`: `ending`.
    - `tool_allowed`: `call`, `name`, `argument_bytes`, `arguments_digest`.
    - `tool_denied`: `name`, `argument_bytes`, `arguments_digest`, `reason`. If a `before_tool_call` hook denied it,
      after `tool_allowed`: `call`, `name`, `reason`.
    - `tool_rewritten`: a hook changed the arguments: `call`, `name`, and `argument_bytes` and `arguments_digest` of the
      new ones.
    - `tool_answered`: `call`, `ok`, `answer_bytes`.
    - `output_allowed`: `stream`, `len_bytes`. `artifact_allowed`, a file of /output: `path`.
    - `http_allowed`: `request`, `method`, `url`, `rule`. `http_denied`: `request`, `method`, `url`, `reason`.
    - `http_rewritten`: a hook put another request in place of the one that was allowed: `request`, and `method`, `url`,
      `len_bytes` and `request_digest` of the new one. `http_allowed` or `http_denied` about it follows.
    - `http_answered`: `request`, `status`. `http_failed`: `request`, `kind`, `reason`.
    - `file_allowed`: `operation`, `mount`, `path`. `file_denied`: the same and `reason`; `mount` may be missing.
    - `file_rewritten`: a hook put another file in place of the one that was allowed: `operation`, and `mount` and
      `path` of the new one. `file_allowed` or `file_denied` about it follows.
    - `limit_reached`: `limit`, `used`, `maximum`, `unit`.

    Names, paths, methods and URLs are the submitted code's or a server's: quote them before you print them.

    Attributes:
        event: What happened.
        sandbox: Which sandbox, as 16 hexadecimal digits, drawn when it was made.
        run: Which run of the sandbox, from 1; of a step between runs, the last one, or 0.
        time: When, in UTC, by the clock of the host.
        call: Which tool call of the run.
        name: The tool's name, or the file name of the code.
        code_bytes: Length of the code in UTF-8.
        argument_bytes: Length of the encoded arguments.
        arguments_digest: SHA-256 of the encoded arguments, as hexadecimal digits. The same arguments given by position
            and by name have two.
        reason: Why it was denied, or failed.
        ok: Whether the tool returned; it raised otherwise.
        answer_bytes: Length of the encoded result, or of the error's text.
        stream: "stdout" or "stderr".
        len_bytes: Length of the output, or of the request: method, URL, headers and body.
        request: Which HTTP request of the run.
        method: The method of HTTP.
        url: The URL, without the fragment.
        request_digest: SHA-256 of the request, as hexadecimal digits: of `METHOD URL`, CR LF, `name: value` and CR LF
            for each header, CR LF, and the body.
        rule: The pattern of the domain that allowed it.
        status: The status of HTTP that a server answered with.
        kind: In which way a request failed, in one word.
        operation: What was to be done with the file, such as "open".
        mount: Path of the mount in the guest.
        path: Path of the file in the mount or in /output. Bytes that are no UTF-8 are lone surrogates.
        limit: Name of the limit, as in `Limits`.
        used: How much was used.
        maximum: How much could be.
        unit: Unit of both.
        ending: How the run ended: "value", "exception", "limit", "cancelled", "crash", "protocol", "machine" or
            "usage".
    """

    event: AuditKind
    sandbox: str
    run: int
    time: datetime
    call: int | None = None
    name: str | None = None
    code_bytes: int | None = None
    argument_bytes: int | None = None
    arguments_digest: str | None = None
    reason: str | None = None
    ok: bool | None = None
    answer_bytes: int | None = None
    stream: Literal["stdout", "stderr"] | None = None
    len_bytes: int | None = None
    request: int | None = None
    method: str | None = None
    url: str | None = None
    request_digest: str | None = None
    rule: str | None = None
    status: int | None = None
    kind: str | None = None
    operation: str | None = None
    mount: str | None = None
    path: str | None = None
    limit: str | None = None
    used: float | None = None
    maximum: float | None = None
    unit: str | None = None
    ending: str | None = None

    @property
    def decision(self) -> Literal["allow", "deny"] | None:
        """What was decided: "allow" or "deny"; `None` if the event is no decision."""
        if self.event.endswith("_denied") or self.event == "limit_reached":
            return "deny"
        return "allow" if self.event.endswith("_allowed") else None

    def to_dict(self) -> dict[str, Any]:
        """Returns the attributes that are not `None`, ready for JSON: the time is text in the form of ISO 8601."""
        shown = self._given()
        shown["time"] = self.time.isoformat(timespec="microseconds")
        return shown

    def _given(self) -> dict[str, Any]:
        given = {name: getattr(self, name) for name in _NAMES}
        return {name: value for name, value in given.items() if value is not None}

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.to_dict().items())
        return f"AuditEvent({shown})"


_NAMES = tuple(field.name for field in fields(AuditEvent))

OnAudit = Callable[[AuditEvent], object]


class AuditLog:
    """The events of one sandbox, on their way to the caller's function."""

    def __init__(self, on_audit: OnAudit) -> None:
        self._on_audit = on_audit
        self._sandbox = os.urandom(8).hex()
        self._run = 0

    def __call__(self, time_s: float, details: dict[str, Any]) -> None:
        """Delivers an event of the native module, which has its `event` and `run` among the details."""
        self._run = details["run"]
        self._deliver(time_s, details)

    def record(self, event: AuditKind, **details: Any) -> None:
        """Delivers an event of this side, about the current or last run."""
        self._deliver(time.time(), {"event": event, "run": self._run, **details})

    def _deliver(self, time_s: float, details: dict[str, Any]) -> None:
        try:
            when = datetime.fromtimestamp(time_s, timezone.utc)
            self._on_audit(AuditEvent(sandbox=self._sandbox, time=when, **details))
        except Exception as error:
            native().report_unraisable(error, self._on_audit)


def audit_to_logging(logger: logging.Logger | None = None) -> OnAudit:
    """Returns what writes events to `logging`; give it to a sandbox as `on_audit`.

    What was denied is a WARNING, what was allowed or answered is DEBUG, the steps of runs and sandboxes are INFO. The
    message has every attribute, texts quoted; the record's attribute `audit` is what `AuditEvent.to_dict` returns.

    Args:
        logger: Where to; `logging.getLogger("hypercell.audit")` unless given.

    Raises:
        PolicyError: It is no logger.
    """
    import logging

    if logger is None:
        logger = logging.getLogger("hypercell.audit")
    if not isinstance(logger, logging.Logger):
        raise PolicyError(f"logger must be a logging.Logger, got {type(logger).__name__}")

    def log(event: AuditEvent) -> None:
        if event.decision == "deny":
            level = logging.WARNING
        elif event.event.startswith(("sandbox_", "snapshot_", "state_", "run_")):
            level = logging.INFO
        else:
            level = logging.DEBUG
        if logger.isEnabledFor(level):
            details = event.to_dict()
            shown = " ".join(
                f"{name}={json.dumps(value)}"
                for name, value in details.items()
                if name not in ("event", "time")
            )
            logger.log(level, "%s %s", event.event, shown, extra={"audit": details})

    return log


def audit_to_file(file: str | os.PathLike[str] | TextIO) -> OnAudit:
    """Returns what writes events as JSON lines, one object a line; give it to any number of sandboxes as `on_audit`.

    A line has the attributes of its event that are not `None`, the time as ISO 8601, and is ASCII. Lines from several
    threads do not mix. A write that fails is reported as Python reports exceptions it cannot raise, and loses its line.

    Args:
        file: A path, opened now to append; a new file is readable by its owner only, and closed when the function is
            dropped. Or a text file, flushed after each line, which stays the caller's to close.

    Raises:
        PolicyError: It is neither.
        OSError: The path cannot be opened.
    """
    if isinstance(file, (str, os.PathLike)):
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        lines = _Lines(functools.partial(_append, descriptor))
        # Not at exit: sandboxes that the process ends with may still have something to tell.
        weakref.finalize(lines, os.close, descriptor).atexit = False
        return lines
    if isinstance(file, (io.RawIOBase, io.BufferedIOBase)) or not callable(getattr(file, "write", None)):
        raise PolicyError(f"file must be a path or a text file, got {type(file).__name__}")
    return _Lines(functools.partial(_write, file))


class _Lines:
    """Writes events, one at a time."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._guard = ForkSafeLock()

    def __call__(self, event: AuditEvent) -> None:
        line = json.dumps(event.to_dict()) + "\n"
        with self._guard:
            self._write(line)


def _append(descriptor: int, line: str) -> None:
    """Writes in one go to the end of a file, to which other processes may write too."""
    left = line.encode("ascii")
    while left:
        left = left[os.write(descriptor, left) :]


def _write(file: TextIO, line: str) -> None:
    file.write(line)
    file.flush()
