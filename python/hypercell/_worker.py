"""The thread on which a sandbox's runs and its tools execute, so that either can be left behind at the time limit.

A hand-off costs about 60 us a run. The caller waits on a lock, which Ctrl-C interrupts; a tool that never returns keeps
its thread, a daemon, and the sandbox goes on with another.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import queue
import threading
from collections.abc import Callable, Coroutine
from typing import Any


class Job:
    """One piece of work for the worker, and its outcome."""

    def __init__(self, work: Callable[[Job], Any]) -> None:
        self._work = work
        self._context = contextvars.copy_context()
        self._finished = threading.Lock()
        self._finished.acquire()
        self._guard = threading.Lock()
        self._abandoned = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self.tool: str | None = None
        self.value: Any = None
        self.error: BaseException | None = None

    def execute(self, worker: Worker) -> None:
        """Does the work in the context of the thread that asked for it. Called by the worker."""
        self._worker = worker
        try:
            self.value = self._context.run(self._work, self)
        except BaseException as error:
            self.error = error
        finally:
            self._finished.release()

    def wait(self, seconds: float | None) -> bool:
        """Waits for the end, at most so long; returns whether it came."""
        if not self._finished.acquire(timeout=-1 if seconds is None else max(0.0, seconds)):
            return False
        self._finished.release()
        return True

    def abandon(self) -> bool:
        """Leaves the work behind; returns whether that came before its end."""
        with self._guard:
            self._abandoned = True
            if self._task is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)
        return not self.wait(0)

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody waits for this work any more."""
        with self._guard:
            return self._abandoned

    def run_async(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Runs a coroutine on the worker's event loop; `abandon` cancels it."""
        loop = self._worker.loop()

        async def guarded() -> Any:
            task = asyncio.current_task()
            with self._guard:
                self._loop, self._task = loop, task
                if self._abandoned and task is not None:
                    task.cancel()
            try:
                return await coroutine
            finally:
                with self._guard:
                    self._task = None

        return loop.run_until_complete(guarded())


class Worker:
    """A daemon thread that executes jobs one after the other."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = os.getpid()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    @property
    def is_ours(self) -> bool:
        """Whether the thread exists in this process: a forked child has none of its parent's."""
        return self._process == os.getpid()

    def submit(self, job: Job) -> None:
        """Hands a job over."""
        self._jobs.put(job)

    def stop(self) -> None:
        """Ends the thread after what it does now."""
        self._jobs.put(None)

    def loop(self) -> asyncio.AbstractEventLoop:
        """Returns the event loop of this worker's async tools. Called on its own thread."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                break
            job.execute(self)
            # A job holds the sandbox; an idle worker must not.
            del job
        if self._loop is not None:
            self._loop.close()
