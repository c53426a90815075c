"""The output of a run as an asynchronous iterator.

Before: `_async`. After: asyncio, which the caller has loaded already.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ._result import OutputEvent, RunResult

if TYPE_CHECKING:
    import asyncio


class RunStream:
    """A run whose output is iterated over as it is written; `AsyncSandbox.stream` makes it."""

    def __init__(self, run: Callable[..., Coroutine[Any, Any, RunResult]]) -> None:
        """Prepares a run, which begins when this is entered."""
        self._run = run
        self._events: asyncio.Queue[OutputEvent | None]
        self._task: asyncio.Task[RunResult] | None = None

    @property
    def result(self) -> RunResult:
        """What the run ended with, after the iteration.

        Raises:
            RuntimeError: The run is not over.
        """
        if self._task is None or not self._task.done() or self._task.cancelled():
            raise RuntimeError("the run is not over; iterate to its end first")
        return self._task.result()

    async def __aenter__(self) -> RunStream:
        import asyncio

        if self._task is not None:
            raise RuntimeError("a stream is for one run; make another one")
        self._events = asyncio.Queue()
        self._task = asyncio.create_task(self._run(on_output=self._events.put_nowait))
        self._task.add_done_callback(lambda _: self._events.put_nowait(None))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        import asyncio

        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    def __aiter__(self) -> RunStream:
        return self

    async def __anext__(self) -> OutputEvent:
        if self._task is None:
            raise RuntimeError("enter the stream first: async with box.stream(code) as events")
        event = await self._events.get()
        if event is not None:
            return event
        self._events.put_nowait(None)
        self._task.result()
        raise StopAsyncIteration
