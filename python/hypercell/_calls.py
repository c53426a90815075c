"""The tool calls of one run: what runs where, and what came of it.

A sync tool that the guest waits for runs on the worker's thread. An async tool runs on an event loop (`_worker.Home`),
while the worker waits. Guarantees: nothing that a tool raises leaves this module except as an answer; a call has one
answer; after the end of the run no answer is kept. Never: talks to the guest.

Before: `_sandbox`, on the worker. After: the tools.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ._tools import ArgumentError, Tool
from ._worker import CLEANUP_S, Job

if TYPE_CHECKING:
    import asyncio


class ToolCall(Protocol):
    """A call as the native module gives it."""

    id: int
    name: str
    args: dict[str, Any]


class Answer(NamedTuple):
    """What came of a call: a value, an error for the guest, or what must be raised to whoever called `run`."""

    value: Any = None
    error: tuple[str, str] | None = None
    raised: BaseException | None = None

    def for_guest(self) -> tuple[Any, ...]:
        """Returns what the native module takes: `(value,)`, or type and message of an exception.

        Raises:
            BaseException: What must be raised.
        """
        if self.raised is not None:
            raise self.raised
        return (self.value,) if self.error is None else self.error


_CANCELLED = Answer(error=("CancelledError", ""))


class _Running:
    """A call whose tool has not returned."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.task: asyncio.Task[None] | None = None
        self.is_cancelled = False


class Calls:
    """The tool calls of one run. Its methods are called by the worker."""

    def __init__(self, job: Job, tools: Mapping[str, Tool]) -> None:
        if job.home is None:
            raise RuntimeError("only the worker of a job runs its tools")
        self._job, self._tools, self._home = job, tools, job.home
        self._guard = threading.Lock()
        self._running: dict[int, _Running] = {}
        self._answers: dict[int, Answer] = {}
        self._is_over = False

    def call(self, call: ToolCall) -> Answer:
        """Runs one tool to its end and returns its answer."""
        tool = self._tools[call.name]
        try:
            arguments = tool.bind(call.args)
            if tool.is_async:
                work: Callable[[], Any] = functools.partial(tool.function, **arguments)
            else:
                returned = tool.function(**arguments)
                if not inspect.isawaitable(returned):
                    return Answer(returned)
                work = functools.partial(_same, returned)
        except BaseException as error:
            return _failure(error)
        self._start(call.id, call.name)
        self._await_on_loop(call.id, work)
        self._job.on_stop(self._cancel_all)
        self._wait(lambda: call.id in self._answers)
        with self._guard:
            return self._answers.pop(call.id, _CANCELLED)

    def end(self) -> None:
        """Ends the run: tools that still run are cancelled or left behind, and nobody hears of them."""
        with self._guard:
            self._is_over = True
            self._answers.clear()
        self._cancel_all()

    def _start(self, call_id: int, name: str) -> None:
        with self._guard:
            self._running[call_id] = _Running(name)

    def _finish(self, call_id: int, answer: Answer) -> None:
        """Notes an answer, the first for each call. Called on any thread."""
        with self._guard:
            if self._running.pop(call_id, None) is None or self._is_over:
                return
            self._answers[call_id] = answer
        self._home.wake()

    def _wait(self, is_ready: Callable[[], bool], until: float = math.inf) -> None:
        """Waits for answers: until they are there, until a time, or until the tools of a stopped job had theirs."""
        job, home = self._job, self._home
        if job.deadline is not None:
            # Whoever waits for the job stops it at its deadline. This holds also if nobody does any more.
            until = min(until, job.deadline + CLEANUP_S)
        while not home.is_gone and not job.is_abandoned:
            with self._guard:
                if is_ready():
                    return
            end = until
            if job.stop_reason is not None:
                end = min(end, job.cancelled_at + CLEANUP_S)
            left = end - time.monotonic()
            if left <= 0:
                return
            home.wait(None if left == math.inf else left)

    def _await_on_loop(self, call_id: int, work: Callable[[], Any]) -> None:
        """Lets an async tool run on the event loop, with the context variables of the run."""
        context = self._job.context.copy()
        try:
            self._home.post(self._begin, call_id, work, context=context)
        except RuntimeError as error:
            self._finish(call_id, _failure(error))

    def _begin(self, call_id: int, work: Callable[[], Any]) -> None:
        """Makes the task of an async tool. Called on the event loop."""
        import asyncio

        with self._guard:
            running = self._running.get(call_id)
            if running is not None and not running.is_cancelled:
                running.task = asyncio.get_running_loop().create_task(self._run_async(call_id, work))
                # A task that is cancelled before its first step never gets to its own end.
                running.task.add_done_callback(lambda _: self._finish(call_id, _CANCELLED))
                return
        self._finish(call_id, _CANCELLED)

    async def _run_async(self, call_id: int, work: Callable[[], Any]) -> None:
        try:
            returned = work()
            answer = Answer(await returned if inspect.isawaitable(returned) else returned)
        except BaseException as error:
            answer = _failure(error)
        self._finish(call_id, answer)

    def _cancel_all(self) -> None:
        """Cancels the async tools that run. Called on any thread."""
        with self._guard:
            running = list(self._running.values())
            for one in running:
                one.is_cancelled = True
        self._cancel_tasks(running)
        self._home.wake()

    def _cancel_tasks(self, running: list[_Running]) -> None:
        def cancel() -> None:
            for one in running:
                if one.task is not None:
                    one.task.cancel()

        if running:
            # If the loop is closed, so are its tasks.
            with contextlib.suppress(RuntimeError):
                self._home.post(cancel, context=self._job.context.copy())


def _same(value: Any) -> Any:
    return value


def _failure(error: BaseException) -> Answer:
    if isinstance(error, ArgumentError):
        return Answer(error=("ArgumentError", _text_of(error)))
    if isinstance(error, Exception) or _is_cancellation(error):
        return Answer(error=(type(error).__name__, _text_of(error)))
    return Answer(raised=error)


def _is_cancellation(error: BaseException) -> bool:
    """Whether an async tool was cancelled, by itself or by the end of its run, which is a failure like any other."""
    return type(error).__name__ == "CancelledError" and type(error).__module__.startswith("asyncio")


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return f"<{type(error).__name__} whose text cannot be had>"
