"""A run on its worker: into the guest, the tools that it calls, and on until it ends or pauses.

Before: `_sandbox`, by way of `_worker`. After: the native module and `_calls`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ._calls import Calls
from ._errors import ValueNotSendableError
from ._tools import Tool
from ._worker import Job

_STOPPED = "cancelled by the caller"


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


def start(
    guest: Any, tools: Mapping[str, Tool], code: str, filename: str, inputs: dict[str, Any], job: Job
) -> Any:
    """Takes a run to its end or to its first pause; returns what the native module says of it."""
    drive = _Drive(guest, tools, job)
    try:
        return guest.start(code, filename, inputs, drive.answer, drive.answer_any)
    finally:
        drive.calls.end()


def resume(guest: Any, tools: Mapping[str, Tool], call: Any, reply: Reply, job: Job) -> Any:
    """Answers the call of a paused run, and takes it to its end or to its next pause."""
    drive = _Drive(guest, tools, job)
    try:
        return drive.resume(call, reply)
    finally:
        drive.calls.end()


class _Drive:
    """The tools of a run, as the native module calls them."""

    def __init__(self, guest: Any, tools: Mapping[str, Tool], job: Job) -> None:
        self._guest, self._job = guest, job
        self.calls = Calls(job, tools)

    def resume(self, call: Any, reply: Reply) -> Any:
        functions = (self.answer, self.answer_any)
        if reply.arguments is None:
            if reply.error is not None:
                return self._guest.resume_err(call.id, *reply.error, *functions)
            return self._guest.resume_ok(call.id, reply.value, *functions)
        answer = self.answer(_Call(call.id, call.name, dict(reply.arguments)))
        if len(answer) == 1:
            try:
                return self._guest.resume_ok(call.id, answer[0], *functions)
            except ValueNotSendableError as error:
                answer = (type(error).__name__, str(error))
        return self._guest.resume_err(call.id, *answer, *functions)

    def answer(self, call: Any) -> tuple[Any, ...]:
        """Runs a tool and returns what the guest gets: `(value,)`, or type and message of an exception.

        The native module calls this on the worker, in the middle of a run; what it raises ends the run.
        """
        if not self._job.enter_tool(call.name):
            # Stopped before the guest's first turn could be interrupted: now it can.
            self._guest.interrupt(self._job.stop_reason or _STOPPED)
            return ("RunCancelledError", "the run was stopped")
        answer = self.calls.call(call)
        self._job.leave_tool()
        return answer.for_guest()

    def answer_any(
        self, started: list[Any], cancelled: list[int], timeout_s: float | None
    ) -> list[tuple[int, tuple[Any, ...]]]:
        """Starts tools beside each other and returns what the guest gets of those that are done, as `answer` does."""
        if not self._job.enter_tool(self.calls.blamed(started)):
            self._guest.interrupt(self._job.stop_reason or _STOPPED)
            return []
        answers = self.calls.wait(started, cancelled, timeout_s)
        self._job.leave_tool()
        return [(call_id, answer.for_guest()) for call_id, answer in answers]
