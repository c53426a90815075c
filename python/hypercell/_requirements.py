"""What an image is asked to have, as requirements and files of them, and whether it has that.

A file has pip's form: one requirement of PEP 508 a line, `#` comments, a backslash before a line that goes on, `-r` for
another file, `-c` for one that limits versions. Nothing is installed here, so a requirement that says where to get a
distribution (a URL, a path, `-e`) is refused. Options that say where pip looks for archives, and hashes of those, were
for pip, and are passed over.

Before: `_image`. After: `packaging`, which parses them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ._errors import ImageError, PolicyError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_MAX_DEPTH = 8
# What pip does to find and check archives. It says nothing about what is installed.
_OPTIONS_OF_PIP = re.compile(
    r"(?:-i|-f|--(?:index-url|extra-index-url|find-links|trusted-host|no-binary|only-binary)(?=[ =]).*"
    r"|--(?:no-index|prefer-binary|require-hashes|pre)$)"
)
_PLAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(\[[A-Za-z0-9._, -]*\])?")
_HASH = re.compile(r"\s--hash[ =]\S+")


@dataclass(frozen=True)
class Requirements:
    """What an image must have, and in which versions it may have other distributions.

    Attributes:
        plain: Names, with or without extras, of distributions in any version.
        required: What says more than that.
        constraints: Versions of distributions, for those that the image has.
    """

    plain: tuple[str, ...] = ()
    required: tuple[Requirement, ...] = ()
    constraints: tuple[Requirement, ...] = ()

    def __add__(self, other: Requirements) -> Requirements:
        return Requirements(
            self.plain + other.plain, self.required + other.required, self.constraints + other.constraints
        )

    def for_version(self, version: Callable[[], str]) -> Requirements:
        """Returns those whose markers are true for a version of CPython, which is asked for if there are markers."""

        def chosen(some: tuple[Requirement, ...]) -> tuple[Requirement, ...]:
            return tuple(
                one for one in some if one.marker is None or one.marker.evaluate(_names_of(version()))
            )

        return Requirements(self.plain, chosen(self.required), chosen(self.constraints))

    def names(self) -> list[str]:
        """Returns the names to ask an environment for, with their extras, each once."""
        return list(dict.fromkeys([*self.plain, *map(_name, self.required)]))

    def check(self, versions: dict[str, str]) -> None:
        """Checks the versions that an image has.

        Raises:
            ImageError: It has another one.
        """
        limits = [one for one in self.required + self.constraints if one.specifier]
        if not limits:
            return
        from packaging.utils import canonicalize_name
        from packaging.version import InvalidVersion

        by_name = {canonicalize_name(name): version for name, version in versions.items()}
        for one in limits:
            found = by_name.get(canonicalize_name(one.name))
            if found is None:
                continue
            try:
                is_met = one.specifier.contains(found, prereleases=True)
            except InvalidVersion:
                is_met = False
            if not is_met:
                raise ImageError(
                    f"the environment has {one.name} {found}, and {str(one)!r} is required; install that version"
                )


def parse_names(packages: Iterable[str]) -> Requirements:
    """Returns what names require: distributions, with extras, versions and markers.

    Raises:
        PolicyError: One is no requirement, or says where to get it.
    """
    # Parsed only if they say more: it takes longer to import `packaging` than to load an image.
    plain, other = [], []
    for package in packages:
        if _PLAIN.fullmatch(package):
            plain.append(package)
        else:
            other.append(_parse(package, "packages"))
    return Requirements(tuple(plain), tuple(other))


def read_requirements(path: str, depth: int = 0) -> Requirements:
    """Returns what a file requires.

    Raises:
        PolicyError: The file cannot be read, or a line is no requirement, or says where to get something.
    """
    read = Requirements()
    for number, text in _lines(path):
        where = f"line {number} of {path}"
        if other := re.fullmatch(r"(?:-r|-c|--requirement(?=[ =])|--constraint(?=[ =]))[ =]?\s*(.+)", text):
            if depth == _MAX_DEPTH:
                raise PolicyError(f"{where}: files name each other more than {_MAX_DEPTH} deep")
            more = read_requirements(str(Path(path).parent / other[1]), depth + 1)
            if text.startswith(("-c", "--c")):
                more = Requirements(constraints=more.required + more.constraints)
            read += more
        elif text.startswith("-"):
            if not _OPTIONS_OF_PIP.match(text):
                raise PolicyError(f"{where}: {text!r} is an option of pip, and nothing is installed here")
        else:
            read += Requirements(required=(_parse(_HASH.sub("", text), where),))
    return read


def _lines(path: str) -> Iterable[tuple[int, str]]:
    """Yields the lines that say something, each with its number: comments cut off, lines that go on joined."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise PolicyError(f"the requirements file {path} cannot be read: {error}") from error
    begun, first = "", 0
    for number, line in enumerate([*lines, ""], 1):
        is_comment = re.match(r"\s*#", line) is not None
        first = first or number
        if line.endswith("\\") and not is_comment:
            begun += line[:-1]
            continue
        text = re.sub(r"(^|\s)#.*$", "", begun + line).strip()
        if text:
            yield first, text
        begun, first = "", 0


def _parse(text: str, where: str) -> Requirement:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        one = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).partition("\n")[0]
        raise PolicyError(f"{where}: {text!r} is no requirement: {reason}") from None
    if one.url is not None:
        raise PolicyError(
            f"{where}: {text!r} says where to get it, and nothing is installed here; name {one.name!r}"
        )
    return one


def _name(one: Requirement) -> str:
    return one.name + (f"[{','.join(sorted(one.extras))}]" if one.extras else "")


def _names_of(version: str) -> dict[str, str]:
    """Returns what markers call a version; all else is as in this interpreter, which is CPython on Linux too."""
    minor = ".".join(version.split(".")[:2])
    return {"python_version": minor, "python_full_version": version, "implementation_version": version}
