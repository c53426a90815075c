"""A block that waits for an approval, as a value: to keep, to write to a directory, to go on from in another process.

Before: `_block`. After: `hypercell._snapshot`, the codec.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .._errors import HypercellError, SnapshotError
from .._image import native
from .._limits import MIB
from .._snapshot import Snapshot
from ._approval import ApprovalRequest
from ._result import Intervention

_FORMAT = 1
_VM, _BLOCK = "vm.snapshot", "block.cbor"
# Code of 1 MiB, arguments of 16 MiB, and what is around them.
_MAX_BLOCK_BYTES = 32 * MIB


@dataclass(frozen=True)
class SuspendedBlock:
    """A block that is paused at the call of a tool, and no longer runs anywhere.

    `ExecuteCodeTool.resume` goes on with it, as often as somebody calls that: whoever must not pay twice resumes once.

    Attributes:
        request: What waits for an answer.
        snapshot: The VM at the call.
        calls: How many calls of each tool the block has asked for.
        interventions: What policy and approver changed so far.
    """

    request: ApprovalRequest
    snapshot: Snapshot = field(repr=False)
    calls: Mapping[str, int]
    interventions: tuple[Intervention, ...] = ()

    def save(self, directory: str | os.PathLike[str]) -> str:
        """Writes the block to a directory, which is made if it is missing, for this user alone.

        Args:
            directory: Where; files of another block there are replaced.

        Returns:
            Digest, to give to `load` where only this very block will do.

        Raises:
            SnapshotError: It cannot be written.
        """
        place = Path(directory)
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            digest = self.snapshot.save(place / _VM)
            data = native().encode_value(
                {
                    "format": _FORMAT,
                    "snapshot": digest,
                    "request": {**asdict(self.request), "arguments": dict(self.request.arguments)},
                    "calls": dict(self.calls),
                    "interventions": [asdict(one) for one in self.interventions],
                }
            )
            _write(place / _BLOCK, data)
        except OSError as error:
            raise SnapshotError(f"the block cannot be written to {place}: {error}") from error
        return hashlib.sha256(data).hexdigest()

    @classmethod
    def load(cls, directory: str | os.PathLike[str], *, digest: str | None = None) -> SuspendedBlock:
        """Reads what `save` wrote, in this process or another one.

        As with `Snapshot.load`, whoever writes the files decides what goes on; the digest that `save` returned tells
        them from others.

        Args:
            directory: Where it was written.
            digest: What `save` returned; any block unless given.

        Raises:
            SnapshotError: It cannot be read, is damaged or is another one.
            SandboxUnavailableError: This machine cannot start micro-VMs.
        """
        place = Path(directory)
        try:
            with (place / _BLOCK).open("rb") as file:
                data = file.read(_MAX_BLOCK_BYTES + 1)
        except OSError as error:
            raise SnapshotError(f"no block can be read from {place}: {error}") from error
        if len(data) > _MAX_BLOCK_BYTES:
            raise SnapshotError(f"the block in {place} has more than {_MAX_BLOCK_BYTES} bytes")
        found = hashlib.sha256(data).hexdigest()
        if digest is not None and found != digest:
            raise SnapshotError(f"the block in {place} has the digest {found}, not {digest}")
        try:
            kept = native().decode_value(data)
            if not isinstance(kept, dict):
                raise TypeError("it holds no map")
            if kept["format"] != _FORMAT:
                raise SnapshotError(f"the block in {place} has format {kept['format']!r}, not {_FORMAT}")
            request = _request(kept["request"])
            calls = _counts(kept["calls"])
            interventions = tuple(Intervention(**_texts(one)) for one in kept["interventions"])
            vm = str(kept["snapshot"])
        except (HypercellError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, SnapshotError):
                raise
            raise SnapshotError(
                f"the block in {place} is damaged: {type(error).__name__}: {error}"
            ) from error
        snapshot = Snapshot.load(place / _VM, digest=vm)
        pending = snapshot.pending
        if pending is None or pending.tool != request.tool:
            raise SnapshotError(f"the snapshot in {place} does not wait for {request.tool!r}")
        return cls(request, snapshot, calls, interventions)


def _write(path: Path, data: bytes) -> None:
    """Writes a file that appears complete, for this user alone."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _request(kept: Any) -> ApprovalRequest:
    if not isinstance(kept, dict):
        raise TypeError("the request is none")
    request = ApprovalRequest(**kept)
    numbers = [request.call_id] if request.line is None else [request.call_id, request.line]
    texts = [request.tool, request.code, request.block_id, request.reason or ""]
    if (
        request.kind != "tool_call"
        or not all(isinstance(text, str) for text in texts)
        or not all(type(number) is int for number in numbers)
        or not isinstance(request.arguments, dict)
        or not all(isinstance(name, str) for name in request.arguments)
    ):
        raise TypeError("the request is none")
    return request


def _counts(kept: Any) -> dict[str, int]:
    if not isinstance(kept, dict) or not all(
        isinstance(name, str) and type(count) is int for name, count in kept.items()
    ):
        raise TypeError("the counts are none")
    return dict(kept)


def _texts(kept: Any) -> dict[str, str]:
    if not isinstance(kept, dict) or not all(text is None or isinstance(text, str) for text in kept.values()):
        raise TypeError("an intervention is none")
    return kept
