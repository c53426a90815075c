"""Directories of the host that submitted code may use.

Before: the caller. After: the native sandbox, which opens them and checks where they stand in the guest.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ._errors import PolicyError

_Path = str | os.PathLike[str]


@dataclass(frozen=True)
class Mount:
    """A directory of the host in the guest.

    What is reached through it stays beneath it, whatever links, `..` or renames the guest or anybody else makes.

    Args:
        host: The directory. It is opened when the sandbox is made, and stays the same if it is renamed later.
        guest: Where the guest finds it, an absolute path; that of the host unless given. Not `/` or `/tmp`, not below
            another mount, and not below a directory that the guest has itself (`/python`, `/proc`, `/output`, ...).
        mode: `"ro"` to read, `"rw"` to change as well.
        max_bytes: Bytes by which its files may grow in one run, all together. Beyond them the guest's Python raises
            OSError with EDQUOT. `None` is no limit but `Limits.file_write_bytes`.

    Raises:
        PolicyError: An argument cannot be.
    """

    host: _Path
    guest: _Path | None = None
    mode: Literal["ro", "rw"] = "ro"
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        _check_path("host", self.host)
        if self.guest is not None:
            _check_path("guest", self.guest)
        if self.mode not in ("ro", "rw"):
            raise PolicyError(f"mode of a mount must be 'ro' or 'rw', got {self.mode!r}")
        if self.max_bytes is not None:
            if isinstance(self.max_bytes, bool) or not isinstance(self.max_bytes, int):
                raise PolicyError(
                    f"max_bytes of a mount must be int or None, got {type(self.max_bytes).__name__}"
                )
            if not 0 <= self.max_bytes <= 1 << 50:
                raise PolicyError(f"max_bytes of a mount must be 0 to {1 << 50}, got {self.max_bytes}")
            if self.mode == "ro":
                raise PolicyError("max_bytes of a mount means nothing unless its mode is 'rw'")


#: What `Sandbox(mounts=...)` takes.
Mounts = Iterable[str | os.PathLike[str] | tuple[_Path, _Path] | Mount]


def _check_path(name: str, path: object) -> None:
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise PolicyError(f"{name} of a mount must be str or a path, got {type(path).__name__}")
    if not os.fspath(path) or "\0" in os.fspath(path):
        raise PolicyError(f"{name} of a mount cannot be {os.fspath(path)!r}")


def _absolute(path: _Path) -> str:
    # Not `resolve`: the path in the guest is the one that was given, whatever links are in it.
    return os.path.normpath(Path(path).absolute())


def collect_mounts(mounts: Mounts) -> list[Mount]:
    """Returns each mount with its absolute path on the host and its path in the guest.

    Raises:
        PolicyError: One of them is of the wrong type.
    """
    if isinstance(mounts, (str, bytes, os.PathLike, Mount)) or not isinstance(mounts, Iterable):
        raise PolicyError(f"mounts must be a list of directories, got {type(mounts).__name__}")
    collected = []
    for given in mounts:
        if isinstance(given, Mount):
            mount = given
        elif not isinstance(given, tuple):
            mount = Mount(given)
        elif len(given) == 2:
            mount = Mount(*given)
        else:
            raise PolicyError(f"a mount given as a tuple is (host, guest), got {given!r}")
        host = _absolute(mount.host)
        collected.append(replace(mount, host=host, guest=host if mount.guest is None else mount.guest))
    return collected


def native_mounts(mounts: list[Mount]) -> list[tuple[str, str, bool, int | None]]:
    """Returns collected mounts as the native sandbox takes them."""
    return [
        (os.fspath(mount.host), os.fspath(mount.guest or mount.host), mount.mode == "rw", mount.max_bytes)
        for mount in mounts
    ]


def check_output_dir(path: object) -> str | None:
    """Returns the absolute path of the directory for files of /output, if one is given.

    Raises:
        PolicyError: It is no path.
    """
    if path is None:
        return None
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise PolicyError(f"output_dir must be str or a path, got {type(path).__name__}")
    if not os.fspath(path) or "\0" in os.fspath(path):
        raise PolicyError(f"output_dir cannot be {os.fspath(path)!r}")
    return _absolute(path)
