"""What `AsyncSandbox` needs of asyncio: async tools on the caller's loop, a bell that threads ring, work on threads.

Guarantees: nothing here blocks the event loop. Never: imported before somebody uses an `AsyncSandbox`, since asyncio
takes longer to import than the rest of the package.

Before: `_async`. After: asyncio.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from ._worker import Home

# How often a worker looks whether the event loop it waits for was closed.
_LOOK_S = 0.5

_Result = TypeVar("_Result")


class CallerLoop(Home):
    """The event loop of whoever awaits a run, on which its async tools run."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()

    @property
    def is_gone(self) -> bool:
        """Whether the loop was closed."""
        return self._loop.is_closed()

    def post(self, function: Callable[..., object], *arguments: object, context: contextvars.Context) -> None:
        """Calls a function on the event loop soon."""
        self._loop.call_soon_threadsafe(function, *arguments, context=context)

    def wait(self, timeout_s: float | None) -> None:
        """Waits on the worker; nobody says when the loop is closed, so this returns now and then."""
        super().wait(_LOOK_S if timeout_s is None else min(timeout_s, _LOOK_S))


class Bell:
    """Rung on any thread, heard by the task that made it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung = asyncio.Event()

    @property
    def ringer(self) -> Callable[[], None]:
        """What rings, and ends the wait that is going on, or else the next one.

        It does not keep the bell: a run goes on when its loop was closed early, and then nothing but the end of the
        task, which its bell refers to, can end it.
        """
        loop, rung = self._loop, weakref.ref(self._rung)

        def ring() -> None:
            event = rung()
            # Nobody hears it if the loop is closed.
            with contextlib.suppress(RuntimeError):
                if event is not None:
                    loop.call_soon_threadsafe(event.set)

        return ring

    async def wait(self, timeout_s: float | None) -> None:
        """Waits until it rings; `None` is for ever."""
        timer = None if timeout_s is None else self._loop.call_later(timeout_s, self._rung.set)
        try:
            await self._rung.wait()
            self._rung.clear()
        finally:
            if timer is not None:
                timer.cancel()


def on_loop(function: Callable[..., object]) -> Callable[..., None]:
    """Returns what has the running event loop call a function soon, from any thread; not if the loop is closed."""
    loop = asyncio.get_running_loop()

    def call(*arguments: object) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(function, *arguments)

    return call


async def in_thread(work: Callable[[], _Result]) -> _Result:
    """Calls a function on a thread of its own, which goes on if the awaiting task is cancelled."""
    return await outcome_of(start_thread(work))


async def outcome_of(future: Future[_Result]) -> _Result:
    """Awaits what a thread does. Cancelling this does not reach it."""
    awaited = asyncio.wrap_future(future)
    # If nobody waits any more, nobody asks what it raised, which asyncio would complain about.
    awaited.add_done_callback(lambda done: done.cancelled() or done.exception())
    return await asyncio.shield(awaited)


def start_thread(work: Callable[[], _Result]) -> Future[_Result]:
    """Calls a function on a thread of its own: those of the loop's pool are few, and may all be taken.

    The process waits for it at its end, since what it does in the native module must not be cut off.

    Raises:
        RuntimeError: No thread can be started.
    """
    outcome: Future[_Result] = Future()
    # From here on it cannot be cancelled.
    outcome.set_running_or_notify_cancel()

    def call() -> None:
        try:
            value = work()
        except BaseException as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(value)

    threading.Thread(target=call, name="hypercell-blocking").start()
    return outcome
