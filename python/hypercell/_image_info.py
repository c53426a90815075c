"""What the cache says of an image, without loading it.

Before: the native module. After: the caller, the command line.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ImageInfo:
    """An image in the cache.

    Attributes:
        digest: SHA-256 that `Image.from_cache` finds it by, in hexadecimal.
        python_version: Version of the interpreter, such as `"3.11.7"`; empty if the image is damaged.
        packages: Versions of the distributions in it, by name.
        warm: Modules that were imported before it was captured.
        warm_failed: Messages of those that could not be, by module.
        size_bytes: Bytes that it takes in the cache.
        files_bytes: How many of them are the guest's files; the others are the memory of the started interpreter.
        build_s: Seconds that its build took, on the machine where it was built.
        is_imported: Whether it came as a file, by `Image.load`. No build removes it.
        memory_bytes: Largest `Limits.memory_bytes` of a sandbox on it.
        hypercell_version: Version of hypercell that made it.
        path: Its directory.
        last_used: When a process last loaded it, if that is known.
        unusable: Why it cannot start here; None if it can.
    """

    digest: str
    python_version: str
    packages: dict[str, str]
    warm: tuple[str, ...]
    warm_failed: dict[str, str]
    size_bytes: int
    files_bytes: int
    build_s: float
    is_imported: bool
    memory_bytes: int
    hypercell_version: str
    path: str
    last_used: dt.datetime | None
    unusable: str | None

    @classmethod
    def of(cls, listed: Mapping[str, Any]) -> ImageInfo:
        """Makes one of what the native module lists."""
        fields = dict(listed)
        last_used_s = fields.pop("last_used_s")
        fields["last_used"] = (
            None if last_used_s is None else dt.datetime.fromtimestamp(last_used_s, dt.timezone.utc)
        )
        for name in ("packages", "warm_failed"):
            fields[name] = dict(fields[name])
        return cls(**{**fields, "warm": tuple(fields["warm"])})
