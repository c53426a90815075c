"""The interpreter that runs in the VM, copied from an environment of this machine and kept in a cache."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ._errors import PolicyError, SandboxUnavailableError

Progress = Callable[[str, float], None]

_default: Image | None = None
_default_lock = threading.Lock()


def native() -> Any:
    """Returns the native module.

    Raises:
        SandboxUnavailableError: It is not part of this installation.
    """
    try:
        from . import _native
    except ImportError as error:
        raise SandboxUnavailableError(
            f"the native module of hypercell does not load on {sys.platform} ({error}); hypercell needs Linux on x86-64 "
            "with glibc: install a wheel for this platform"
        ) from error
    return _native


def cache_directory() -> str:
    """Returns where images are kept: `HYPERCELL_CACHE_DIR`, else the user's cache directory."""
    named = os.environ.get("HYPERCELL_CACHE_DIR")
    if named:
        return named
    base = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    return str(Path(base) / "hypercell")


def _names(what: str, names: Iterable[str]) -> list[str]:
    if isinstance(names, str):
        raise PolicyError(f"{what} must be a list of names, got the text {names!r}")
    listed = list(names)
    for name in listed:
        if not isinstance(name, str) or not name:
            raise PolicyError(f"{what} must be a list of names, got {name!r}")
    return listed


class Image:
    """An interpreter with its standard library, warmed and ready to start, shared by any number of sandboxes."""

    def __init__(self, native_image: Any) -> None:
        """Wraps a native image; use `Image.from_environment`."""
        self._native = native_image

    @classmethod
    def from_environment(
        cls,
        packages: Iterable[str] = (),
        *,
        warm: Iterable[str] = (),
        python: str | os.PathLike[str] | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> Image:
        """Copies an interpreter, its standard library and chosen packages into an image, or loads it from the cache.

        Args:
            packages: Distributions of the environment to include, with what they require; none unless named.
            warm: Modules to import before the image is captured, besides the usual ones of the standard library.
            python: The interpreter, CPython 3.10 to 3.14, virtual environments included; this one unless given.
            cache_dir: Directory of the cache; `HYPERCELL_CACHE_DIR` or the user's cache directory unless given.
                Images in it are trusted like code: it must not be writable by others.
            progress: Called with a stage and a fraction from 0 to 1 while an image is built.

        Raises:
            ImageError: The interpreter is not supported, or the cache cannot be used.
            SandboxUnavailableError: This machine cannot start micro-VMs.
            PolicyError: An argument is no list of names.
        """
        module = native()
        guest = Path(__file__).parent / "_guest"
        return cls(
            module.Image.open(
                python=os.fspath(python) if python is not None else sys.executable,
                guest_dir=str(guest),
                cache_dir=os.fspath(cache_dir) if cache_dir is not None else cache_directory(),
                packages=_names("packages", packages),
                warm=_names("warm", warm),
                progress=progress if progress is not None else _terminal_progress(),
            )
        )

    @property
    def digest(self) -> str:
        """SHA-256 over everything that makes the image what it is, in hexadecimal."""
        return str(self._native.digest)

    @property
    def python_version(self) -> str:
        """Version of the interpreter, such as `"3.11.7"`."""
        return str(self._native.python_version)

    @property
    def size_bytes(self) -> int:
        """Bytes that the image takes in the cache."""
        return int(self._native.size_bytes)

    @property
    def path(self) -> str:
        """Directory of the image in the cache."""
        return str(self._native.path)

    def __repr__(self) -> str:
        return f"<hypercell.Image python {self.python_version} {self.digest[:12]}>"


def default_image() -> Image:
    """Returns the image of this interpreter without packages, opened once a process."""
    global _default
    with _default_lock:
        if _default is None:
            _default = Image.from_environment()
        return _default


def _terminal_progress() -> Progress | None:
    stream = sys.stderr
    if stream is None or not stream.isatty():
        return None

    def show(stage: str, fraction: float) -> None:
        end = "\n" if fraction >= 1 else ""
        print(f"\r\033[Khypercell: building the image: {stage} ({fraction:.0%})", end=end, file=stream, flush=True)

    return show
