"""The thread on which a sandbox's runs and its tools execute, so that either can be left behind at the time limit.

A hand-off costs about 60 us a run. The caller waits on a lock, which Ctrl-C interrupts. A tool that never returns keeps
its thread, a daemon, and the sandbox goes on with another.

A job is in the guest, in a tool, or done. It changes between them under one lock, so that exactly one side goes on
after it was left behind: a job left in a tool never touches the guest again.

Before: `_runner`, on the caller's thread. After: the native module and `_calls`, on the worker's.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import queue
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

# How long whoever stops a job waits for a cancelled async tool to clean up, and how long the tool may go on with it.
PATIENCE_S = 0.04
CLEANUP_S = 0.25


class LeftBehind(BaseException):
    """Nobody waits for this job any more; its thread ends without touching the guest."""


class Job:
    """One run on the worker: its phase, its outcome, and the way to stop it from other threads."""

    def __init__(
        self,
        work: Callable[[Job], Any],
        deadline: float | None = None,
        *,
        home: Home | None = None,
        on_wake: Callable[[], None] | None = None,
    ) -> None:
        """Prepares work.

        Args:
            work: What the worker calls with this job.
            deadline: When it is to be over, in seconds of the monotonic clock; `None` is never.
            home: Where async tools run; on the worker unless given.
            on_wake: Called on any thread whenever `wait` would return; it must not block.
        """
        self._work = work
        self._on_wake = on_wake
        self._guard = threading.Lock()
        self._wake = threading.Lock()
        self._wake.acquire()
        self._cancel: Callable[[], None] | None = None
        self._is_abandoned = False
        self.deadline = deadline
        self.context = contextvars.copy_context()
        self.home = home
        # When somebody first asked it to stop while its tools could be cancelled; 0 is not yet.
        self.cancelled_at = 0.0
        self.is_done = False
        self.value: Any = None
        self.error: BaseException | None = None
        # Whether any tool was ever begun, for which the guest must have run.
        self.had_tool = False
        # Name of the tool that is running, and of the one that was running when the job had to end.
        self.tool: str | None = None
        self.blamed_tool: str | None = None
        # Why the job has to stop; the first reason holds.
        self.stop_reason: str | None = None

    def wait(self, timeout_s: float) -> bool:
        """Waits for the end of the job, or for a stop, which ends the wait once.

        Args:
            timeout_s: Longest wait in seconds.

        Returns:
            Whether the job is done.
        """
        if not self.is_done:
            self._wake.acquire(timeout=max(0.0, timeout_s))
        return self.is_done

    def stop(self, reason: str) -> None:
        """Asks the job to stop: cancels an async tool, starts no other tool, and wakes up who waits."""
        with self._guard:
            if self.stop_reason is None:
                self.stop_reason = reason
            self._cancel_tools()
            self._notify()

    def abandon(self, *, at_all_costs: bool = False) -> bool:
        """Leaves a job behind whose tool does not return; returns whether it is left behind.

        A job in the guest is not, unless `at_all_costs` is set: whoever interrupts the guest need not wait long. An
        async tool has some time to clean up after `stop`.
        """
        with self._guard:
            if self.is_done:
                return False
            if not at_all_costs:
                if self.tool is None:
                    return False
                if self._cancel is not None and time.monotonic() < self.cancelled_at + PATIENCE_S:
                    return False
            self.blamed_tool = self.tool
            self._is_abandoned = True
            if self.home is not None:
                self.home.wake()
            return True

    def enter_tool(self, name: str) -> bool:
        """Notes that a tool starts; returns False if it must not, because the job was stopped. Called by the worker.

        Raises:
            LeftBehind: Too late.
        """
        with self._guard:
            if self._is_abandoned:
                raise LeftBehind
            if self.stop_reason is not None:
                return False
            self.tool, self.had_tool = name, True
            return True

    def leave_tool(self) -> None:
        """Notes that the tool returned. Called by the worker.

        Raises:
            LeftBehind: Too late.
        """
        with self._guard:
            if self._is_abandoned:
                raise LeftBehind
            is_late = self.deadline is not None and time.monotonic() >= self.deadline
            if is_late or self.stop_reason is not None:
                self.blamed_tool = self.tool
            self.tool = self._cancel = None

    def on_stop(self, cancel: Callable[[], None]) -> None:
        """Says how to cancel the tool that runs, until `leave_tool`. Called by the worker.

        Args:
            cancel: Called on any thread, at once if the job was stopped already; it must not block.
        """
        with self._guard:
            self._cancel = cancel
            if self.stop_reason is not None:
                self._cancel_tools()

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody waits for the job any more."""
        return self._is_abandoned

    def execute(self, loop: Loop) -> None:
        """Does the work in the context of the thread that asked for it. Called by the worker."""
        if self.home is None:
            self.home = loop
        value, error = None, None
        try:
            value = self.context.run(self._work, self)
        except BaseException as raised:
            error = raised
        with self._guard:
            if not self._is_abandoned:
                self.value, self.error, self.is_done = value, error, True
            self._notify()
        # The error's traceback holds this frame: with these it would be a cycle.
        del value, error

    def _cancel_tools(self) -> None:
        if self._cancel is not None and not self.cancelled_at:
            self.cancelled_at = time.monotonic()
            self._cancel()

    def _notify(self) -> None:
        if self._wake.locked():
            self._wake.release()
        if self._on_wake is not None:
            self._on_wake()


class Worker:
    """A daemon thread that executes jobs one after the other. It ends when it is told to, or when this is dropped."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._process = os.getpid()
        # The thread does not refer to this object, so that it ends also if Ctrl-C comes between here and the caller.
        weakref.finalize(self, self._jobs.put, None).atexit = False
        self._thread = threading.Thread(
            target=_execute_all, args=(self._jobs,), name="hypercell-worker", daemon=True
        )
        self._thread.start()

    @property
    def is_ours(self) -> bool:
        """Whether the thread exists in this process: a forked child has none of its parent's."""
        return self._process == os.getpid()

    def submit(self, job: Job) -> None:
        """Hands a job over."""
        self._jobs.put(job)

    def stop(self, join_s: float = 0) -> None:
        """Ends the thread after what it does now, and waits for that at most so many seconds."""
        self._jobs.put(None)
        if join_s and self.is_ours and self._thread is not threading.current_thread():
            self._thread.join(join_s)


class Home:
    """Where the async tools of a job run, and how its worker waits for them."""

    def __init__(self) -> None:
        self._woken = threading.Lock()
        self._woken.acquire()

    @property
    def is_gone(self) -> bool:
        """Whether nothing that was posted will ever run."""
        return False

    def post(self, function: Callable[..., object], *arguments: object, context: contextvars.Context) -> None:
        """Calls a function on the event loop soon, from any thread.

        Raises:
            RuntimeError: The loop is closed.
        """
        raise NotImplementedError

    def wake(self) -> None:
        """Ends the wait that is going on, or else the next one, from any thread."""
        # Another thread may have been faster, which does the same.
        with contextlib.suppress(RuntimeError):
            self._woken.release()

    def wait(self, timeout_s: float | None) -> None:
        """Waits on the worker until somebody wakes it; may return earlier for no reason.

        Args:
            timeout_s: Longest wait in seconds; `None` is for ever.
        """
        self._woken.acquire(timeout=-1 if timeout_s is None else max(0.0, timeout_s))


class Loop(Home):
    """The event loop of a worker, made on its thread. It runs while the worker waits, from the first async tool on."""

    def __init__(self) -> None:
        super().__init__()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._making = threading.Lock()
        self._is_waiting = False
        self._thread = threading.get_ident()

    def post(self, function: Callable[..., object], *arguments: object, context: contextvars.Context) -> None:
        """Calls a function on the event loop when the worker next waits."""
        with self._making:
            if self._loop is None:
                # Here, so that sandboxes without async tools do not pay for the import.
                import asyncio

                self._loop = asyncio.new_event_loop()
                # The worker may wait without a loop, for a sync tool that turned out to return an awaitable.
                self.wake()
        if threading.get_ident() == self._thread:
            # Nobody has to be woken: this thread runs the loop, or will.
            self._loop.call_soon(function, *arguments, context=context)
        else:
            self._loop.call_soon_threadsafe(function, *arguments, context=context)

    def wake(self) -> None:
        """Ends the wait that is going on, or else the next one, from any thread."""
        super().wake()
        loop = self._loop
        if loop is None:
            return
        if threading.get_ident() == self._thread:
            self._end_wait(loop)
            return
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._end_wait, loop)

    def wait(self, timeout_s: float | None) -> None:
        """Runs the event loop, if there is one, until somebody wakes the worker."""
        loop = self._loop
        if loop is None:
            super().wait(timeout_s)
            return
        # Whoever wakes releases the lock first and stops the loop then, so that none is missed.
        if not self._woken.acquire(blocking=False):
            timer = None if timeout_s is None else loop.call_later(max(0.0, timeout_s), loop.stop)
            self._is_waiting = True
            try:
                loop.run_forever()
            finally:
                self._is_waiting = False
                if timer is not None:
                    timer.cancel()
            self._woken.acquire(blocking=False)

    def _end_wait(self, loop: asyncio.AbstractEventLoop) -> None:
        # One that comes late must not stop the loop while it does something else.
        if self._is_waiting:
            loop.stop()

    def close(self) -> None:
        """Closes the loop as `asyncio.run` does: what tools left running in it is cancelled."""
        loop, self._loop = self._loop, None
        if loop is not None:
            try:
                loop.run_until_complete(_end_tasks(loop))
            finally:
                loop.close()


async def _end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    import asyncio

    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await loop.shutdown_asyncgens()


def _execute_all(jobs: queue.SimpleQueue[Job | None]) -> None:
    loop = Loop()
    while (job := jobs.get()) is not None:
        job.execute(loop)
        # A job holds the sandbox; an idle worker must not.
        del job
    loop.close()
