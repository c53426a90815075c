"""Snapshots: the state of a sandbox as a value, to go on from any number of times, here or elsewhere, now or later.

Before: the caller, `_sandbox`. After: the native module.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ._errors import PolicyError
from ._image import native
from ._limits import Limits
from ._result import PendingCall

if TYPE_CHECKING:
    from ._pool import Pool


class Snapshot:
    """What `Sandbox.snapshot()` took: kept globals, or a run that waits for the result of a tool.

    Any number of sandboxes go on from one (`Sandbox.from_snapshot`), on any thread; none sees another. It takes as much
    memory as the image, about 50 MB, shared by all of them.

        with Sandbox(keep_state=True) as box:
            box.run("import statistics; data = [1, 2, 3]")
            snapshot = box.snapshot()
        with Sandbox.from_snapshot(snapshot) as box:
            box.run("statistics.mean(data)")
    """

    def __init__(self, native_snapshot: Any) -> None:
        """Wraps a native snapshot; use `Sandbox.snapshot` or `Snapshot.load`."""
        self._native = native_snapshot
        # What `_pool.default_pool` keeps.
        self._pool: Pool | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, digest: str | None = None) -> Snapshot:
        """Reads what `save` wrote, in this process or another one. The file may change or go afterwards.

        A file is checked against the digests in it, which tell damage but not intent: whoever writes a file writes
        those too, and decides what runs in the VMs made from it. The VM holds it as it holds any program. Give the
        digest that `save` returned where only one file will do.

        Args:
            path: The file.
            digest: SHA-256 that the file must have, in hexadecimal; any unless given.

        Raises:
            SnapshotError: The file cannot be read, is damaged, or is of another version of hypercell or another kind of
                processor; the message says which.
            SandboxUnavailableError: This machine cannot start micro-VMs.
        """
        if digest is not None and not isinstance(digest, str):
            raise PolicyError(f"digest must be str, got {type(digest).__name__}")
        return cls(native().Snapshot.load(_path(path), digest))

    def save(self, path: str | os.PathLike[str]) -> str:
        """Writes the snapshot to a file that only this user can read, in place of any that is there.

        The file holds all that the guest knew, and its interpreter and packages too: it needs no image where it is
        loaded.

        Args:
            path: The file.

        Returns:
            SHA-256 of the file, in hexadecimal.

        Raises:
            SnapshotError: The file cannot be written.
        """
        return str(self._native.save(_path(path)))

    @property
    def pending(self) -> PendingCall | None:
        """The call whose result the snapshot waits for, if it was taken in the middle of a run."""
        call = self._native.pending()
        return None if call is None else PendingCall(call.name, call.args, call.line)

    @property
    def tools(self) -> tuple[str, ...]:
        """Names of the tools that it was taken with."""
        return tuple(name for name, _ in self._native.tools)

    @property
    def pause_on(self) -> tuple[str, ...]:
        """Names of the tools whose calls pause the run."""
        return tuple(name for name, pauses in self._native.tools if pauses)

    @property
    def limits(self) -> Limits:
        """The limits that it was taken with."""
        return Limits(**self._native.limits)

    @property
    def keep_state(self) -> bool:
        """Whether it was taken in a sandbox with `keep_state=True`."""
        return bool(self._native.keeps_state)

    @property
    def python_version(self) -> str:
        """Version of the interpreter in it, such as `"3.11.7"`."""
        return str(self._native.python_version)

    @property
    def image_digest(self) -> str:
        """Digest of the image that it began as."""
        return str(self._native.image_digest)

    @property
    def memory_bytes(self) -> int:
        """Largest `Limits.memory_bytes` of a sandbox that goes on from it."""
        return int(self._native.memory_bytes)

    def __repr__(self) -> str:
        pending = self.pending
        state = "kept state" if pending is None else f"waits for {pending.tool!r}"
        return f"<hypercell.Snapshot python {self.python_version}, {state}>"


def _path(path: str | os.PathLike[str]) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise PolicyError(f"path must be a path, got {type(path).__name__}")
    text = os.fsdecode(path)
    if not text or "\0" in text:
        raise PolicyError(f"path {text!r} names no file")
    return text
