"""What the process does to live objects when it forks, and when it ends.

Before: `_runner`, `_image`, `_pool`. After: nothing.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from types import TracebackType
from typing import Protocol


class Lives(Protocol):
    """Something that a fork or the end of the process concerns."""

    def _end_with_process(self) -> None:
        """Ends what must not outlive the interpreter."""

    def _forget_parent(self) -> None:
        """Drops what a forked child cannot use: threads, and locks that they may have held."""


_live: weakref.WeakSet[Lives] = weakref.WeakSet()
_is_exiting = False


def add(object_: Lives) -> None:
    """Tells an object of the forks and the end of this process, as long as it lives."""
    _live.add(object_)


def is_exiting() -> bool:
    """Whether the interpreter is on its way out."""
    return _is_exiting


class ForkSafeLock:
    """A lock that is free in a forked child, whoever held it in the parent."""

    def __init__(self) -> None:
        """Makes a free one."""
        self._lock = threading.Lock()
        add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lock.release()

    def _end_with_process(self) -> None:
        """Does nothing."""

    def _forget_parent(self) -> None:
        """Takes a new lock."""
        self._lock = threading.Lock()


@atexit.register
def _end_all() -> None:
    global _is_exiting
    _is_exiting = True
    for one in _live.copy():
        one._end_with_process()


def _forget_parents() -> None:
    for one in _live.copy():
        one._forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents)
