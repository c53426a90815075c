"""A run on its worker: into the guest, the tools that it calls, and on until it ends or pauses.

Before: `_runner`, by way of `_worker`. After: the native module and `_calls`.
"""

from __future__ import annotations

import codecs
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ._calls import Calls
from ._errors import ValueNotSendableError
from ._hooks import Hooks
from ._result import OutputEvent
from ._tools import Tool
from ._worker import Job

OnOutput = Callable[[OutputEvent], object]

_utf8 = codecs.getincrementaldecoder("utf-8")


class Reply(NamedTuple):
    """What a run that is paused gets for its call.

    Attributes:
        value: What the call returns, if there is no error.
        error: Type and message of the exception that the call raises.
        arguments: What to call the tool with, for its own answer, in place of both.
    """

    value: Any = None
    error: tuple[str, str] | None = None
    arguments: Mapping[str, Any] | None = None


class _Call(NamedTuple):
    id: int
    name: str
    args: dict[str, Any]
    line: int | None


def start(
    guest: Any,
    tools: Mapping[str, Tool],
    hooks: Hooks,
    on_output: OnOutput | None,
    code: str,
    filename: str,
    inputs: dict[str, Any],
    job: Job,
) -> Any:
    """Takes a run to its end or to its first pause; returns what the native module says of it."""
    drive = _Drive(guest, Calls(job, tools, hooks), hooks, on_output, job)
    return drive.end(lambda: guest.start(code, filename, inputs, drive))


def resume(
    guest: Any,
    tools: Mapping[str, Tool],
    hooks: Hooks,
    on_output: OnOutput | None,
    call: Any,
    reply: Reply,
    job: Job,
) -> Any:
    """Answers the call of a paused run, and takes it to its end or to its next pause."""
    drive = _Drive(guest, Calls(job, tools, hooks), hooks, on_output, job)
    return drive.end(lambda: drive.resume(call, reply))


class _Drive:
    """The tools of a run, its hooks and who hears of its output, as the native module calls them."""

    def __init__(self, guest: Any, calls: Calls, hooks: Hooks, on_output: OnOutput | None, job: Job) -> None:
        self._guest, self._job, self._calls, self._hooks = guest, job, calls, hooks
        self._on_output = on_output
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}
        #: What hears of output, or None.
        self.output = None if on_output is None else self._hear

    @property
    def before_http(self) -> Callable[..., Any] | None:
        """What is asked before a request of HTTP is sent, or None."""
        hook = self._hooks.http
        return None if hook is None else functools.partial(self._ask, "before_http_request", hook)

    @property
    def before_open(self) -> Callable[..., Any] | None:
        """What is asked before a file of a mount is opened, or None."""
        hook = self._hooks.open
        return None if hook is None else functools.partial(self._ask, "before_file_open", hook)

    def _ask(self, name: str, hook: Callable[..., Any], *seen: Any) -> Any:
        if not self._enter(name):
            return self._job.stop_reason
        try:
            return hook(*seen)
        finally:
            self._leave()

    def _enter(self, name: str) -> bool:
        """Notes that a function of the caller starts; returns False if the run was stopped."""
        is_going_on = self._job.enter_tool(name)
        if not is_going_on:
            # Stopped before the guest's first turn could be interrupted: now it can.
            self._guest.interrupt(self._job.stop_reason)
        return is_going_on

    def _leave(self) -> None:
        """Notes that it returned. The guest must not go on with what a stop made of it."""
        self._job.leave_tool()
        if self._job.stop_reason is not None:
            self._guest.interrupt(self._job.stop_reason)

    def end(self, go: Callable[[], Any]) -> Any:
        """Takes the run as far as it goes, and ends what is left of its tools."""
        try:
            step = go()
        finally:
            self._calls.end()
        for stream, decoder in self._decoders.items():
            self._tell(stream, decoder.decode(b"", True))
        return step

    def _hear(self, stream: str, data: bytes) -> None:
        decoder = self._decoders.get(stream)
        if decoder is None:
            decoder = self._decoders[stream] = _utf8(errors="replace")
        self._tell(stream, decoder.decode(data))

    def _tell(self, stream: Any, text: str) -> None:
        if text and self._on_output is not None and self._job.enter_tool("on_output"):
            try:
                self._on_output(OutputEvent(stream, text))
            finally:
                self._job.leave_tool()

    def resume(self, call: Any, reply: Reply) -> Any:
        """Answers the call of a paused run."""
        if reply.arguments is None:
            if reply.error is not None:
                return self._guest.resume_err(call.id, *reply.error, self)
            return self._guest.resume_ok(call.id, reply.value, self)
        answer = self.answer(_Call(call.id, call.name, dict(reply.arguments), call.line))
        if len(answer) == 1:
            try:
                return self._guest.resume_ok(call.id, answer[0], self)
            except ValueNotSendableError as error:
                answer = (type(error).__name__, str(error))
        return self._guest.resume_err(call.id, *answer, self)

    def answer(self, call: Any) -> tuple[Any, ...]:
        """Runs a tool and returns what the guest gets: `(value,)`, or type and message of an exception.

        The native module calls this on the worker, in the middle of a run; what it raises ends the run.
        """
        if not self._enter(call.name):
            return ("RunCancelledError", "the run was stopped")
        answer = self._calls.call(call)
        self._leave()
        return answer.for_guest()

    def wait(
        self, started: list[Any], cancelled: list[int], timeout_s: float | None
    ) -> list[tuple[int, tuple[Any, ...]]]:
        """Starts tools beside each other and returns what the guest gets of those that are done, as `answer` does."""
        if not self._enter(self._calls.blamed(started)):
            return []
        answers = self._calls.wait(started, cancelled, timeout_s)
        self._leave()
        return [(call_id, answer.for_guest()) for call_id, answer in answers]
