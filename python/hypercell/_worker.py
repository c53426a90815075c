"""The thread on which a sandbox's runs and its tools execute, so that either can be left behind at the time limit.

A hand-off costs about 60 us a run. The caller waits on a lock, which Ctrl-C interrupts. A tool that never returns keeps
its thread, a daemon, and the sandbox goes on with another.

A job is in the guest, in a tool, or done. It changes between them under one lock, so that exactly one side goes on
after it was left behind: a job left in a tool never touches the guest again.

Before: `_sandbox`, on the caller's thread. After: the native module and the tools, on the worker's.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import queue
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

# How long a cancelled async tool may take to clean up before it is left behind.
_CLEANUP_S = 0.25


class LeftBehind(BaseException):
    """Nobody waits for this job any more; its thread ends without touching the guest."""


class Job:
    """One run on the worker: its phase, its outcome, and the way to stop it from other threads."""

    def __init__(self, work: Callable[[Job], Any], deadline: float | None = None) -> None:
        """Prepares work that is to be over at a time of the monotonic clock, in seconds; `None` is never."""
        self._work = work
        self._deadline = deadline
        self._context = contextvars.copy_context()
        self._guard = threading.Lock()
        self._wake = threading.Lock()
        self._wake.acquire()
        self._loop: Loop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancelled_at = 0.0
        self._is_abandoned = False
        self.is_done = False
        self.value: Any = None
        self.error: BaseException | None = None
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
            self._cancel_task()
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
                if self._task is not None and time.monotonic() < self._cancelled_at + _CLEANUP_S:
                    return False
            self.blamed_tool = self.tool
            self._is_abandoned = True
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
            self.tool = name
            return True

    def leave_tool(self) -> None:
        """Notes that the tool returned. Called by the worker.

        Raises:
            LeftBehind: Too late.
        """
        with self._guard:
            if self._is_abandoned:
                raise LeftBehind
            is_late = self._deadline is not None and time.monotonic() >= self._deadline
            if is_late or self.stop_reason is not None:
                self.blamed_tool = self.tool
            self.tool = None

    def run_async(self, awaitable: Awaitable[Any]) -> Any:
        """Runs an awaitable on the worker's event loop; `stop` cancels it. Called by the worker."""
        if self._loop is None:
            raise RuntimeError("only the worker of a job waits for its tools")
        return self._loop.run(self._await(awaitable))

    def execute(self, loop: Loop) -> None:
        """Does the work in the context of the thread that asked for it. Called by the worker."""
        self._loop = loop
        value, error = None, None
        try:
            value = self._context.run(self._work, self)
        except BaseException as raised:
            error = raised
        with self._guard:
            if not self._is_abandoned:
                self.value, self.error, self.is_done = value, error, True
            self._notify()
        # The error's traceback holds this frame: with these it would be a cycle.
        del value, error

    async def _await(self, awaitable: Awaitable[Any]) -> Any:
        import asyncio

        with self._guard:
            self._task = asyncio.current_task()
            if self.stop_reason is not None:
                self._cancel_task()
        try:
            return await awaitable
        finally:
            with self._guard:
                self._task = None

    def _cancel_task(self) -> None:
        if self._task is not None and not self._cancelled_at:
            self._cancelled_at = time.monotonic()
            # The loop is closed if the task's thread ended meanwhile.
            with contextlib.suppress(RuntimeError):
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    def _notify(self) -> None:
        if self._wake.locked():
            self._wake.release()


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


class Loop:
    """The event loop of a worker's async tools, made when the first one runs. Used on the worker's thread only."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, awaited: Coroutine[Any, Any, Any]) -> Any:
        """Runs a coroutine to its end."""
        if self._loop is None:
            # Here, so that sandboxes without async tools do not pay for the import.
            import asyncio

            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(awaited)

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
