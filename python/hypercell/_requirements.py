"""Requirements files: what they ask for, and whether an image has it.

The form is pip's, without its options: one requirement of PEP 508 a line, `#` comments, `-r` for another file.

Before: `_image`. After: `packaging`, which parses them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ._errors import ImageError, PolicyError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_MAX_DEPTH = 8


def read_requirements(path: str, depth: int = 0) -> dict[str, Requirement]:
    """Returns what a file requires of this environment, by the name and extras to ask for.

    Raises:
        PolicyError: The file cannot be read, or a line is no requirement.
    """
    # Imported where it is needed: most images have no requirements file.
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise PolicyError(f"the requirements file {path} cannot be read: {error}") from error
    required: dict[str, Requirement] = {}
    for number, line in enumerate(lines, 1):
        text = re.sub(r"(^|\s)#.*$", "", line).strip()
        where = f"line {number} of {path}"
        if other := re.fullmatch(r"(?:-r|--requirement)[ =]\s*(.+)", text):
            if depth == _MAX_DEPTH:
                raise PolicyError(f"{where}: files name each other more than {_MAX_DEPTH} deep")
            required |= read_requirements(str(Path(path).parent / other[1]), depth + 1)
        elif text.startswith("-"):
            raise PolicyError(f"{where}: {text!r} is an option of pip, and nothing is installed here")
        elif text:
            try:
                one = Requirement(text)
            except InvalidRequirement as error:
                raise PolicyError(f"{where}: {text!r} is no requirement: {error}") from None
            if one.marker is None or one.marker.evaluate():
                extras = f"[{','.join(sorted(one.extras))}]" if one.extras else ""
                required[one.name + extras] = one
    return required


def check_versions(required: dict[str, Requirement], versions: dict[str, str]) -> None:
    """Checks that an image has the versions that are required.

    Raises:
        ImageError: It has another version.
    """
    if not required:
        return
    from packaging.utils import canonicalize_name

    by_name = {canonicalize_name(name): version for name, version in versions.items()}
    for one in required.values():
        found = by_name[canonicalize_name(one.name)]
        if not one.specifier.contains(found, prereleases=True):
            raise ImageError(
                f"the environment has {one.name} {found}, and {str(one)!r} is required; install that version"
            )
