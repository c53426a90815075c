"""The commands of `hypercell image`: build, list, show, prune, export, import.

Before: `_cli`. After: `_image`.
"""

from __future__ import annotations

import argparse
import datetime as dt
import textwrap
from pathlib import Path
from typing import Any

from ._image import Image
from ._image_info import ImageInfo
from ._limits import DEFAULT_MEMORY_BYTES, MIB

_SHOWN_DIGITS = 12
_WIDTH = 100


def add_commands(commands: Any) -> None:
    """Adds `image` and its commands to the parsers of the command line."""
    image = commands.add_parser(
        "image",
        help="build, list, show, prune, export and import images",
        description="Images are interpreters with packages, started once and kept in the cache.",
    )
    parts = image.add_subparsers(required=True, metavar="COMMAND")

    build = _command(parts, "build", _build, "build an image of an environment, or find it in the cache")
    build.add_argument(
        "packages",
        nargs="*",
        metavar="PACKAGE",
        help="distributions, with what they require, such as 'httpx[http2]>=0.27'",
    )
    build.add_argument("-r", "--requirements", metavar="FILE", help="a requirements file that names more")
    build.add_argument(
        "--warm", action="append", default=[], metavar="MODULE", help="import it beforehand; repeatable"
    )
    build.add_argument(
        "--python", metavar="PATH", help="an interpreter or virtual environment (default: this one)"
    )
    build.add_argument(
        "--memory-mib",
        type=int,
        default=DEFAULT_MEMORY_BYTES // MIB,
        metavar="N",
        help="largest memory of its sandboxes in MiB (default: %(default)s)",
    )

    _command(parts, "list", _list, "list the images of the cache")
    show = _command(parts, "show", _show, "print what is in an image")
    show.add_argument("digest", metavar="DIGEST", help="at least four digits of it")

    prune = _command(parts, "prune", _prune, "remove images that are damaged or cannot start here")
    prune.add_argument(
        "--unused-for", type=_days, metavar="DAYS", help="and those not loaded for so many days"
    )
    prune.add_argument("--all", action="store_true", help="and all others")

    export = _command(parts, "export", _export, "write an image to a file, and print its digest")
    export.add_argument("digest", metavar="DIGEST", help="at least four digits of it")
    export.add_argument("file", type=Path, metavar="FILE", help="the file, which is replaced")
    load = _command(parts, "import", _import, "bring an exported image into the cache")
    load.add_argument("file", type=Path, metavar="FILE", help="what export wrote")
    load.add_argument("--digest", metavar="SHA256", help="refuse any other file")


def _command(parts: Any, name: str, work: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = parts.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}."
    )
    parser.set_defaults(command=work)
    return parser


def _days(text: str) -> dt.timedelta:
    try:
        return dt.timedelta(days=float(text))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"not a number of days: {text!r}") from None


def _build(options: argparse.Namespace) -> int:
    image = Image.from_environment(
        options.packages,
        requirements=options.requirements,
        warm=options.warm,
        python=options.python,
        memory_bytes=options.memory_mib * MIB,
    )
    print(image.digest)
    return 0


def _list(_: argparse.Namespace) -> int:
    images = Image.list()
    _table(images)
    print(f"{len(images)} images, {sum(one.size_bytes for one in images) / MIB:.0f} MiB")
    if bytecode_bytes := Image.bytecode_bytes():
        print(f"{bytecode_bytes / MIB:.0f} MiB of byte code for further builds")
    return 0


def _show(options: argparse.Namespace) -> int:
    digest = Image.from_cache(options.digest).digest
    (one,) = (one for one in Image.list() if one.digest == digest)
    shown = {
        "digest": one.digest,
        "python": one.python_version,
        "packages": " ".join(f"{name}=={version}" for name, version in one.packages.items()) or "none",
        "warm": " ".join(one.warm),
        "not importable": "; ".join(f"{name}: {reason}" for name, reason in one.warm_failed.items())
        or "none",
        "size": f"{one.size_bytes / MIB:.1f} MiB, {one.files_bytes / MIB:.1f} MiB of it files",
        "built": f"in {one.build_s:.1f} s{', elsewhere' if one.is_imported else ''}",
        "memory": f"up to {one.memory_bytes / MIB:.0f} MiB",
        "hypercell": one.hypercell_version,
        "last used": _time(one.last_used),
        "path": one.path,
    }
    wrapper = textwrap.TextWrapper(_WIDTH, break_long_words=False, break_on_hyphens=False)
    wrapper.subsequent_indent = " " * 16
    for name, text in shown.items():
        wrapper.initial_indent = f"{name:16}"
        print(wrapper.fill(text))
    return 0


def _prune(options: argparse.Namespace) -> int:
    removed = Image.prune(unused_for=options.unused_for, everything=options.all)
    _table(removed)
    print(f"{len(removed)} images removed, {sum(one.size_bytes for one in removed) / MIB:.0f} MiB")
    return 0


def _export(options: argparse.Namespace) -> int:
    print(Image.from_cache(options.digest).save(options.file))
    return 0


def _import(options: argparse.Namespace) -> int:
    print(Image.load(options.file, digest=options.digest).digest)
    return 0


def _table(images: tuple[ImageInfo, ...]) -> None:
    for one in images:
        packages = ", ".join(one.packages) or "no packages"
        state = textwrap.shorten(one.unusable or packages, _WIDTH - 59, placeholder=" ...")
        python = one.python_version or "unknown"
        print(
            f"{one.digest[:_SHOWN_DIGITS]}  python {python:8} {one.size_bytes / MIB:6.0f} MiB  "
            f"{one.build_s:5.1f} s  {_time(one.last_used)}  {state}"
        )


def _time(time: dt.datetime | None) -> str:
    return "unknown" if time is None else f"{time.astimezone():%Y-%m-%d %H:%M}"
