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
from collections.abc import Awaitable, Callable
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
        self._worker: Worker | None = None
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
        if self._worker is None:
            raise RuntimeError("only the worker of a job waits for its tools")
        return self._worker.loop().run_until_complete(self._await(awaitable))

    def execute(self, worker: Worker) -> None:
        """Does the work in the context of the thread that asked for it. Called by the worker."""
        self._worker = worker
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
    """A daemon thread that executes jobs one after the other, with an event loop for async tools."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._run, name="hypercell-worker", daemon=True)
        self._thread.start()

    @property
    def is_ours(self) -> bool:
        """Whether the thread exists in this process: a forked child has none of its parent's."""
        return self._process == os.getpid()

    @property
    def is_current(self) -> bool:
        """Whether the calling thread is this worker's."""
        return self._thread is threading.current_thread()

    def submit(self, job: Job) -> None:
        """Hands a job over."""
        self._jobs.put(job)

    def stop(self) -> None:
        """Ends the thread after what it does now."""
        self._jobs.put(None)

    def join(self, timeout_s: float) -> None:
        """Waits for the end of the thread, at most so many seconds."""
        if self.is_ours and not self.is_current:
            self._thread.join(timeout_s)

    def loop(self) -> asyncio.AbstractEventLoop:
        """Returns the event loop of this worker's async tools. Called on its own thread."""
        if self._loop is None:
            # Here, so that sandboxes without async tools do not pay for the import.
            import asyncio

            self._loop = asyncio.new_event_loop()
        return self._loop

    def _run(self) -> None:
        try:
            while True:
                job = self._jobs.get()
                if job is None:
                    break
                job.execute(self)
                # A job holds the sandbox; an idle worker must not.
                del job
        finally:
            if self._loop is not None:
                _close(self._loop)


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Closes a loop as `asyncio.run` does: what tools left running in it is cancelled."""
    import asyncio

    async def end() -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await loop.shutdown_asyncgens()

    try:
        loop.run_until_complete(end())
    finally:
        loop.close()
