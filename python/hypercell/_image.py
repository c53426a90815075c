"""The interpreter that runs in the VM, copied from an environment of this machine and kept in a cache."""

from __future__ import annotations

import datetime as dt
import math
import os
import platform
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._errors import ImageError, PolicyError, SandboxUnavailableError
from ._image_info import ImageInfo
from ._limits import DEFAULT_MEMORY_BYTES, MAX_MEMORY_BYTES
from ._process import ForkSafeLock
from ._requirements import parse_names, read_requirements

if TYPE_CHECKING:
    from ._pool import Pool

Progress = Callable[[str, float], None]

# An image that is used every month stays.
DEFAULT_CACHE_DAYS = 40

# Fraction of the progress from which an image is built and not only looked for.
_BUILD_FROM = 0.1

_defaults: list[Image] = []
_default_lock = ForkSafeLock()


def native() -> Any:
    """Returns the native module.

    Raises:
        SandboxUnavailableError: It is not part of this installation.
    """
    try:
        from . import _native
    except ImportError as error:
        raise SandboxUnavailableError(
            f"the native module of hypercell does not load on {sys.platform} {platform.machine()}: {error}; hypercell "
            "needs CPython 3.10 or later on Linux, x86-64 and glibc: install a wheel for such a platform there"
        ) from error
    return _native


def cache_directory() -> str:
    """Returns where images are kept: `HYPERCELL_CACHE_DIR`, else the user's cache directory."""
    named = os.environ.get("HYPERCELL_CACHE_DIR")
    if named:
        return named
    base = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    return str(Path(base) / "hypercell")


def unused_for_s() -> float:
    """Returns for how many seconds nobody must have used an image until a build removes it: `HYPERCELL_CACHE_DAYS`.

    Raises:
        ImageError: It is no number of days.
    """
    named = os.environ.get("HYPERCELL_CACHE_DAYS") or str(DEFAULT_CACHE_DAYS)
    try:
        days = float(named)
    except ValueError:
        days = math.nan
    if not days > 0:
        raise ImageError(f"HYPERCELL_CACHE_DAYS must be a number of days above 0, or inf, got {named!r}")
    return days * 86_400


def _names(what: str, names: Iterable[str]) -> list[str]:
    if isinstance(names, (str, bytes)) or not isinstance(names, Iterable):
        raise PolicyError(f"{what} must be a list of names, got {names!r}")
    listed = list(names)
    for name in listed:
        if not isinstance(name, str) or not name:
            raise PolicyError(f"{what} must be a list of names, got {name!r} in it")
    return listed


def _path(what: str, path: str | os.PathLike[str]) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise PolicyError(f"{what} must be a path, got {type(path).__name__}")
    return os.fsdecode(path)


def _cache(cache_dir: str | os.PathLike[str] | None) -> str:
    return cache_directory() if cache_dir is None else _path("cache_dir", cache_dir)


def _digest(digest: str) -> str:
    if not isinstance(digest, str):
        raise PolicyError(f"digest must be str, got {type(digest).__name__}")
    return digest


def _interpreter(path: str) -> str:
    """Returns the interpreter of a virtual environment, or at a path, or of a name that the shell would find."""
    if (Path(path) / "pyvenv.cfg").is_file():
        return str(Path(path).absolute() / "bin" / "python")
    return str(Path(shutil.which(path) or path).absolute())


class Image:
    """An interpreter with its standard library, warmed and ready to start, shared by any number of sandboxes."""

    def __init__(self, native_image: Any) -> None:
        """Wraps a native image; use `Image.from_environment`."""
        self._native = native_image
        # What `_pool.default_pool` keeps.
        self._pool: Pool | None = None

    @classmethod
    def from_environment(
        cls,
        packages: Iterable[str] = (),
        *,
        requirements: str | os.PathLike[str] | None = None,
        warm: Iterable[str] = (),
        python: str | os.PathLike[str] | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        progress: Progress | None = None,
    ) -> Image:
        """Copies an interpreter, its standard library and chosen packages into an image, or loads it from the cache.

        A build removes other images from the cache: those that were built there, that no process has open, and that
        none has loaded for `HYPERCELL_CACHE_DAYS` (40 unless set, `inf` for ever), or for a day where the same call
        would now give another image.

        Args:
            packages: Distributions of the environment to include, with those of their requirements that are installed;
                none unless named. Extras and versions are named as in `"httpx[http2]>=0.27"`. Nothing is installed:
                they must be in the environment, in versions that are allowed, and not as editable installations, of
                whose files there is no list.
            requirements: A requirements file of pip's form, whose distributions are included too. Markers, `-r` and
                `-c` count; hashes and options about where to find archives were for pip and do not.
            warm: Modules to import before the image is captured, besides the usual ones of the standard library.
            python: The interpreter, CPython 3.10 to 3.15, by its path or name, or the directory of a virtual
                environment; this interpreter unless given.
            cache_dir: Directory of the cache; `HYPERCELL_CACHE_DIR` or the user's cache directory unless given.
                Images in it are trusted like code: it must not be writable by others.
            memory_bytes: Largest `Limits.memory_bytes` of sandboxes on this image, at most 8 GiB. Above 128 MiB each
                VM starts a little slower and takes 1 MB more, above 512 MiB 5 MB, above 2 GiB 9 MB, above 4 GiB 18 MB.
            progress: Called with a stage and a fraction from 0 to 1; what it raises ends the build. Unless given, a
                build is shown on standard error if that is a terminal.

        Raises:
            ImageError: The interpreter is not supported, a distribution is not installed in it or in another version,
                or the cache cannot be used.
            SandboxUnavailableError: This machine cannot start micro-VMs.
            PolicyError: An argument is no list of names, or a requirement, or a line of the file, is none, or says
                where to get a distribution.
        """
        if isinstance(memory_bytes, bool) or not isinstance(memory_bytes, int):
            raise PolicyError(f"memory_bytes must be int, got {type(memory_bytes).__name__}")
        if not 0 < memory_bytes <= MAX_MEMORY_BYTES:
            raise PolicyError(f"memory_bytes must be 1 to {MAX_MEMORY_BYTES}, got {memory_bytes}")
        asked = parse_names(_names("packages", packages))
        if requirements is not None:
            asked += read_requirements(_path("requirements", requirements))
        warm_names = _names("warm", warm)
        chosen = sys.executable if python is None else _interpreter(_path("python", python))
        if not chosen:
            raise ImageError(
                "the running interpreter is not known: sys.executable is empty; name one with python="
            )
        if progress is not None and not callable(progress):
            raise PolicyError(f"progress must be callable, got {type(progress).__name__}")
        asked = asked.for_version(
            lambda: platform.python_version() if python is None else native().Image.version_of(chosen)
        )
        opened = native().Image.open(
            python=chosen,
            guest_dir=str(Path(__file__).parent / "_guest"),
            cache_dir=_cache(cache_dir),
            packages=asked.names(),
            warm=warm_names,
            memory_bytes=memory_bytes,
            unused_for_s=unused_for_s(),
            progress=progress if progress is not None else _terminal_progress(),
        )
        for notice in opened.notices:
            warnings.warn(notice, RuntimeWarning, stacklevel=2)
        asked.check(dict(opened.packages))
        return cls(opened)

    @classmethod
    def from_cache(cls, digest: str, *, cache_dir: str | os.PathLike[str] | None = None) -> Image:
        """Loads an image from the cache by its digest, or at least four digits of its beginning.

        Raises:
            ImageError: No image begins so, or more than one; or the image is of another version of hypercell or another
                kind of processor.
            SandboxUnavailableError: This machine cannot start micro-VMs.
        """
        return cls(native().Image.from_cache(_cache(cache_dir), _digest(digest)))

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        digest: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> Image:
        """Brings a file that `save` wrote into the cache, and loads it. It needs no interpreter and no package here.

        Whoever wrote the file decides what runs in the sandboxes of the image, as the VM's guest; give the digest that
        `save` returned where only one file will do. Its image never takes the place of one that was built here: it is
        known by the SHA-256 of the file.

        Args:
            path: The file.
            digest: SHA-256 that the file must have, in hexadecimal; any unless given.
            cache_dir: As for `from_environment`.

        Raises:
            ImageError: The file cannot be read, is damaged, or is of another version of hypercell or another kind of
                processor; the message says which.
            SandboxUnavailableError: This machine cannot start micro-VMs.
        """
        expected = None if digest is None else _digest(digest)
        return cls(native().Image.load(_path("path", path), _cache(cache_dir), expected))

    def save(self, path: str | os.PathLike[str]) -> str:
        """Writes the image to a file that only this user can read, in place of any that is there.

        It starts on machines with the same kind of processor and version of hypercell: libraries chose their code for
        this processor when they were warmed.

        Returns:
            SHA-256 of the file, in hexadecimal.

        Raises:
            ImageError: The file cannot be written, or the image in the cache is damaged.
        """
        return str(self._native.save(_path("path", path)))

    @staticmethod
    def list(*, cache_dir: str | os.PathLike[str] | None = None) -> tuple[ImageInfo, ...]:
        """Returns what is in the cache, by digest.

        Raises:
            ImageError: The cache cannot be used.
        """
        return tuple(ImageInfo.of(one) for one in native().Image.list_cache(_cache(cache_dir)))

    @staticmethod
    def bytecode_bytes(*, cache_dir: str | os.PathLike[str] | None = None) -> int:
        """Returns the bytes of the byte code in the cache, which builds leave for those to come.

        Raises:
            ImageError: The cache cannot be used.
        """
        return int(native().Image.bytecode_bytes(_cache(cache_dir)))

    @staticmethod
    def prune(
        *,
        unused_for: dt.timedelta | None = None,
        everything: bool = False,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> tuple[ImageInfo, ...]:
        """Removes images that are damaged or cannot start here from the cache. Sandboxes that run from one go on.

        Args:
            unused_for: Removes those too that no process has loaded for so long, and byte code that no build has used.
            everything: Removes all.
            cache_dir: As for `from_environment`.

        Returns:
            What was removed.

        Raises:
            ImageError: The cache cannot be used.
            PolicyError: `unused_for` is no time, or a negative one.
        """
        if unused_for is not None and not isinstance(unused_for, dt.timedelta):
            raise PolicyError(f"unused_for must be a timedelta, got {type(unused_for).__name__}")
        if unused_for is not None and unused_for < dt.timedelta(0):
            raise PolicyError(f"unused_for must not be negative, got {unused_for}")
        cache, now = _cache(cache_dir), dt.datetime.now(dt.timezone.utc)

        def is_due(one: ImageInfo) -> bool:
            is_old = unused_for is not None and (one.last_used is None or now - one.last_used >= unused_for)
            return everything or is_old or one.unusable is not None

        due = tuple(one for one in Image.list(cache_dir=cache) if is_due(one))
        kept_for = dt.timedelta(0) if everything else unused_for
        kept_for_s = None if kept_for is None else kept_for.total_seconds()
        native().Image.remove(cache, [one.digest for one in due], kept_for_s)
        return due

    @property
    def digest(self) -> str:
        """SHA-256 over everything that makes the image what it is, in hexadecimal."""
        return str(self._native.digest)

    @property
    def python_version(self) -> str:
        """Version of the interpreter, such as `"3.11.7"`."""
        return str(self._native.python_version)

    @property
    def packages(self) -> dict[str, str]:
        """Versions of the distributions in it, by name."""
        return dict(self._native.packages)

    @property
    def size_bytes(self) -> int:
        """Bytes that the image takes in the cache."""
        return int(self._native.size_bytes)

    @property
    def memory_bytes(self) -> int:
        """Largest `Limits.memory_bytes` of a sandbox on this image."""
        return int(self._native.memory_bytes)

    @property
    def path(self) -> str:
        """Directory of the image in the cache."""
        return str(self._native.path)

    def __repr__(self) -> str:
        return f"<hypercell.Image python {self.python_version} {self.digest[:12]}>"


def default_image(memory_bytes: int = DEFAULT_MEMORY_BYTES) -> Image:
    """Returns the image of this interpreter, without packages, for a memory limit. Each is opened once a process."""
    with _default_lock:
        for image in _defaults:
            if memory_bytes <= image.memory_bytes:
                return image
        image = Image.from_environment(memory_bytes=memory_bytes)
        _defaults.append(image)
        _defaults.sort(key=lambda one: one.memory_bytes)
        return image


def _terminal_progress() -> Progress | None:
    stream = sys.stderr
    if stream is None or not stream.isatty():
        return None

    is_shown = False

    def show(stage: str, fraction: float) -> None:
        nonlocal is_shown
        # Below this the cache is only looked at, which is over at once.
        if fraction >= _BUILD_FROM and (is_shown or fraction < 1):
            is_shown = True
            text = f"hypercell: building the image: {stage} ({fraction:.0%})"
            print(f"\r\033[K{text}", end="\n" if fraction >= 1 else "", file=stream, flush=True)

    return show
