"""VMs prepared in advance: pools that the caller makes, and one for each image that nobody has to ask for.

Before: the caller, `_sandbox`. After: the native pool.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import TracebackType

from ._errors import PolicyError
from ._image import Image, default_image, native
from ._process import ForkSafeLock
from ._snapshot import Snapshot

#: VMs that the pool of an image keeps until more are wanted at once.
_DEFAULT_PREPARED = 1
#: As in crates/host/src/pool.rs.
_MAX_PREPARED = 1024


@dataclass(frozen=True)
class PoolStats:
    """What a pool holds and did.

    Attributes:
        ready: VMs that wait for a run.
        preparing: VMs that are being made or restored, or wait for that.
        leased: VMs in which something runs; those that keep their state do not count.
        hits: Runs that found a VM ready.
        misses: Runs that had to wait, or to make or restore a VM themselves.
    """

    ready: int
    preparing: int
    leased: int
    hits: int
    misses: int


class Pool:
    """Fresh VMs, prepared off the caller's path and shared by any number of sandboxes.

    Sandboxes on one pool may have different tools, limits and audit hooks: a prepared VM knows nothing of them. After
    each run its VM is restored to the image's state by a thread of the package; a VM whose run did not end
    cleanly is replaced. A ready VM takes about 1 MB and no processor time. A child process that was forked cannot use
    its parent's VMs: there each run makes its own, until the child makes a pool.

        with Pool(prepared=4) as pool:
            boxes = [Sandbox(pool=pool, tools=tools) for tools in many]

    Args:
        image: What the VMs are made from, an image or a snapshot between runs; the image of this interpreter, without
            packages, unless given.
        prepared: VMs to keep, those in use included, 0 to 1024.
        max_prepared: VMs to keep for half a minute after so many were wanted at once; at least `prepared`; one for
            each processor unless given.

    Raises:
        PolicyError: An argument cannot be.
        SandboxUnavailableError: This machine cannot start micro-VMs.
        ImageError: The image of this interpreter cannot be made.
    """

    def __init__(
        self, image: Image | Snapshot | None = None, *, prepared: int = 2, max_prepared: int | None = None
    ) -> None:
        if image is not None and not isinstance(image, (Image, Snapshot)):
            raise PolicyError(f"image must be an Image or a Snapshot, got {type(image).__name__}")
        _check_count("prepared", prepared)
        if max_prepared is not None:
            _check_count("max_prepared", max_prepared)
        self._image = image if image is not None else default_image()
        self._prepared = prepared
        self._closed = False
        self._process = os.getpid()
        self._native = native().Pool(self._image._native, prepared=prepared, max_prepared=max_prepared)

    @property
    def image(self) -> Image | Snapshot:
        """What the VMs are made from."""
        return self._image

    @property
    def closed(self) -> bool:
        """Whether `close()` was called."""
        return self._closed

    def stats(self) -> PoolStats:
        """Returns what the pool holds and did."""
        return PoolStats(**self._native.stats())

    def wait_ready(self, timeout_s: float = 10.0) -> bool:
        """Waits until all VMs that are not in use are ready.

        Args:
            timeout_s: Longest wait in seconds.

        Returns:
            Whether they are.

        Raises:
            PolicyError: The time is negative or not finite.
        """
        if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)):
            raise PolicyError(f"timeout_s must be a number, got {type(timeout_s).__name__}")
        return bool(self._native.wait_ready(timeout_s))

    def close(self) -> None:
        """Drops the VMs that wait. A run that is going on ends as usual; later ones raise `SandboxClosedError`."""
        self._closed = True
        self._native.close()

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"prepared={self._prepared}"
        return f"<hypercell.Pool {state} {self._image!r}>"

    @property
    def _is_ours(self) -> bool:
        return self._process == os.getpid()


def _check_count(name: str, count: int) -> None:
    if isinstance(count, bool) or not isinstance(count, int):
        raise PolicyError(f"{name} must be int, got {type(count).__name__}")
    if not 0 <= count <= _MAX_PREPARED:
        raise PolicyError(f"{name} is {count}, which is not from 0 to {_MAX_PREPARED}")


_lock = ForkSafeLock()


def default_pool(image: Image | Snapshot) -> Pool:
    """Returns the pool that sandboxes on one image or snapshot share unless they have another.

    A forked child has its own.
    """
    with _lock:
        pool = image._pool
        if pool is None or not pool._is_ours:
            pool = image._pool = Pool(image, prepared=_DEFAULT_PREPARED)
        return pool
