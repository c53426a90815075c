"""The tool calls of one run: what runs where, and what came of it.

A sync tool that the guest waits for runs on the worker's thread; of those that it calls beside each other, up to
`MAX_THREADS` run at once, on threads of the run. An async tool runs on an event loop (`_worker.Home`), while the worker
waits. Guarantees: nothing that a tool raises leaves this module except as an answer; a call has one answer; after
the end of the run no answer is kept. Never: talks to the guest.

Before: `_drive`, on the worker. After: `_hooks`, the tools.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ._errors import DeniedError
from ._hooks import HookFailedError, Hooks
from ._tools import ArgumentError, Tool
from ._worker import CLEANUP_S, Job

if TYPE_CHECKING:
    import asyncio


# Sync tools of one run that run beside each other; further ones wait for their turn.
MAX_THREADS = 8
# Longest single wait on a lock, whose own limit is some hundred years.
_LONGEST_WAIT_S = 3600.0


class ToolCall(Protocol):
    """A call as the native module gives it."""

    id: int
    name: str
    args: dict[str, Any]
    line: int | None


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
    """A call that has no answer yet."""

    def __init__(self, name: str) -> None:
        self.name = name
        # Whether it waits for a thread, and whether it is on its way to the event loop or there.
        self.is_queued = self.is_async = False
        self.task: asyncio.Task[None] | None = None
        self.is_cancelled = False


class Calls:
    """The tool calls of one run. Its methods are called by the worker."""

    def __init__(self, job: Job, tools: Mapping[str, Tool], hooks: Hooks) -> None:
        if job.home is None:
            raise RuntimeError("only the worker of a job runs its tools")
        self._job, self._tools, self._home = job, tools, job.home
        self._hooks = hooks
        self._guard = threading.Lock()
        self._running: dict[int, _Running] = {}
        self._answers: dict[int, Answer] = {}
        self._threads: _Threads | None = None
        self._is_over = False

    def call(self, call: ToolCall) -> Answer:
        """Runs one tool to its end and returns its answer."""
        tool = self._tools[call.name]
        try:
            arguments = self._hooks.bind(tool, call)
            if tool.is_async:
                work: Callable[[], Any] = functools.partial(tool.function, **arguments)
            else:
                returned = tool.function(**arguments)
                if not inspect.isawaitable(returned):
                    return Answer(returned)
                work = functools.partial(_same, returned)
        except BaseException as error:
            return _failure(error)
        self._start(call)
        self._await_on_loop(call.id, work)
        self._job.on_stop(self._cancel_all)
        self._wait(lambda: call.id in self._answers)
        with self._guard:
            return self._answers.pop(call.id, _CANCELLED)

    def blamed(self, started: Iterable[ToolCall]) -> str:
        """Returns the name of the tool that has run longest, if it is not one that starts now."""
        with self._guard:
            names = [running.name for running in self._running.values()]
        return next(iter(names), "") or next((call.name for call in started), "")

    def wait(
        self, started: Iterable[ToolCall], cancelled: Iterable[int], timeout_s: float | None
    ) -> list[tuple[int, Answer]]:
        """Starts tools, and returns answers as soon as there is any, or none after a time.

        Args:
            started: Calls whose tools start now.
            cancelled: Numbers of calls whose answers nobody wants. They are answered as well.
            timeout_s: Longest wait in seconds; `None` is for ever.
        """
        for call in started:
            self._start_beside(call)
        self._cancel(cancelled)
        self._job.on_stop(self._cancel_all)
        self._wait(
            lambda: bool(self._answers), math.inf if timeout_s is None else time.monotonic() + timeout_s
        )
        with self._guard:
            answers, self._answers = self._answers, {}
        return list(answers.items())

    def end(self) -> None:
        """Ends the run: tools that still run are cancelled or left behind, and nobody hears of them."""
        with self._guard:
            self._is_over = True
            self._answers.clear()
            is_running = bool(self._running)
        if is_running:
            self._cancel_all()
            if self._job.stop_reason is None:
                # The guest ended by itself. A cancelled tool has some time to clean up.
                self._wait(lambda: not self._has_async(), time.monotonic() + CLEANUP_S)
        if self._threads is not None:
            self._threads.close()

    def _start(self, call: ToolCall) -> None:
        with self._guard:
            self._running[call.id] = _Running(call.name)

    def _start_beside(self, call: ToolCall) -> None:
        """Starts a tool where it does not keep the worker busy."""
        self._start(call)
        tool = self._tools[call.name]
        try:
            work = functools.partial(tool.function, **self._hooks.bind(tool, call))
        except BaseException as error:
            self._finish(call.id, _failure(error))
            return
        if tool.is_async:
            self._await_on_loop(call.id, work)
            return
        if self._threads is None:
            self._threads = _Threads()
        self._running[call.id].is_queued = True
        self._threads.put(functools.partial(self._run_sync, call.id, work))

    def _run_sync(self, call_id: int, work: Callable[[], Any]) -> None:
        """Runs a sync tool. Called on a thread of the run."""
        with self._guard:
            running = self._running.get(call_id)
            if running is None or self._is_over:
                return
            running.is_queued = False
        try:
            returned = self._job.context.copy().run(work)
            if inspect.isawaitable(returned):
                self._await_on_loop(call_id, functools.partial(_same, returned))
                return
            answer = Answer(returned)
        except BaseException as error:
            answer = _failure(error)
        self._finish(call_id, answer)

    def _finish(self, call_id: int, answer: Answer) -> None:
        """Notes an answer, the first for each call. Called on any thread."""
        with self._guard:
            if self._running.pop(call_id, None) is None:
                return
            if not self._is_over:
                self._answers[call_id] = answer
        self._home.wake()

    def _has_async(self) -> bool:
        return any(running.is_async for running in self._running.values())

    def _wait(self, is_ready: Callable[[], bool], until: float = math.inf) -> None:
        """Waits for answers: until they are there, until a time, or until the tools of a stopped job had theirs."""
        job, home = self._job, self._home
        if job.deadline is not None:
            # Whoever waits for the job stops it at its deadline. This holds also if nobody does any more.
            until = min(until, job.deadline + CLEANUP_S)
        while not home.is_gone:
            is_stopped = job.stop_reason is not None
            if job.is_abandoned and not is_stopped:
                return
            with self._guard:
                if not self._has_async() if is_stopped else is_ready():
                    return
            end = min(until, job.cancelled_at + CLEANUP_S) if is_stopped else until
            left = end - time.monotonic()
            if left <= 0:
                return
            home.wait(None if left == math.inf else min(left, _LONGEST_WAIT_S))

    def _await_on_loop(self, call_id: int, work: Callable[[], Any]) -> None:
        """Lets an async tool run on the event loop, with the context variables of the run."""
        context = self._job.context.copy()
        with self._guard:
            running = self._running.get(call_id)
            if running is not None:
                running.is_async = True
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
        """Cancels the tools that run, or will. Called on any thread."""
        with self._guard:
            running = list(self._running)
        self._cancel(running)
        self._home.wake()

    def _cancel(self, call_ids: Iterable[int]) -> None:
        """Cancels async tools, and sync ones that have not begun: others cannot be. Called on any thread."""
        queued, tasks = [], []
        with self._guard:
            for call_id in call_ids:
                running = self._running.get(call_id)
                if running is None or running.is_cancelled:
                    continue
                running.is_cancelled = True
                if running.is_queued:
                    queued.append(call_id)
                elif running.is_async:
                    tasks.append(running)
        for call_id in queued:
            self._finish(call_id, _CANCELLED)
        if tasks:
            # If the loop is closed, so are its tasks.
            with contextlib.suppress(RuntimeError):
                self._home.post(_cancel_tasks, tasks, context=self._job.context.copy())


class _Threads:
    """Threads for the sync tools of one run, started when there is work. One whose tool hangs stays with it."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._count = 0

    def put(self, work: Callable[[], None]) -> None:
        """Does some work on a thread, soon. Called by the worker."""
        self._work.put(work)
        if not self._idle.acquire(blocking=False) and self._count < MAX_THREADS:
            self._count += 1
            threading.Thread(
                target=_work_off, args=(self._work, self._idle), name="hypercell-tool", daemon=True
            ).start()

    def close(self) -> None:
        """Ends the threads, each when its work is done."""
        for _ in range(self._count):
            self._work.put(None)


def _work_off(work: queue.SimpleQueue[Callable[[], None] | None], idle: threading.Semaphore) -> None:
    while (one := work.get()) is not None:
        one()
        # It holds the run; an idle thread must not.
        del one
        idle.release()


def _cancel_tasks(calls: list[_Running]) -> None:
    """Cancels tasks. Called on their event loop, after it made them."""
    for running in calls:
        if running.task is not None:
            running.task.cancel()


def _same(value: Any) -> Any:
    return value


def _failure(error: BaseException) -> Answer:
    if isinstance(error, ArgumentError):
        return Answer(error=("ArgumentError", _text_of(error)))
    if isinstance(error, DeniedError):
        return Answer(error=("PermissionError", _text_of(error)))
    if isinstance(error, HookFailedError):
        return Answer(raised=error.cause)
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
