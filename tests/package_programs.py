"""The programs of tests/packages: what each needs, how it runs natively and in the guest, and what is compared.

A program begins with a docstring of one line that says what it does, then these headers, a line each:

    # packages: NAME ...     distributions, the one that it is about first; empty for the standard library
    # image: NAME            the image that it shares with others
    # network: yes           it asks the server at `url` through the network gate; the others have no network

It defines `work()`, which does the same each time and returns plain values, and may use two globals: `output`, a
directory for files, which are compared too, and `url`. A program without one of the first two headers stops the
collection.

Before: functional/test_packages.py, benches/packages.py. After: package_native.py, hypercell.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpus import canonical

FOLDER = Path(__file__).with_name("packages")
NATIVE = Path(__file__).with_name("package_native.py")
# Modules to import before an image is captured, by its name: what the programs on it import anyway.
WARM = {
    "science": ["numpy", "pandas", "scipy", "matplotlib.pyplot", "PIL.Image", "sklearn"],
    "columns": ["pyarrow", "polars", "duckdb"],
    "text": ["pydantic", "orjson", "yaml", "requests", "httpx", "sqlite3"],
}
# The globals of a program in the guest, but for `url`.
GUEST_INPUTS = {"output": "/output"}


class PackageProgramError(Exception):
    """A program has no such header, or did not end."""


@dataclass(frozen=True)
class PackageProgram:
    """A program.

    Attributes:
        name: Its file's name without the ending.
        path: The file.
        source: The text.
        what: What it does.
        packages: Distributions that it needs, the one that it is about first.
        image: Name of its image.
        network: Whether it asks the server at `url`.
    """

    name: str
    path: Path
    source: str = field(repr=False)
    what: str
    packages: tuple[str, ...]
    image: str
    network: bool

    @property
    def package(self) -> str:
        """What it is about: a distribution, or a module of the standard library."""
        return self.packages[0] if self.packages else self.name.partition("_")[0]


@dataclass(frozen=True)
class Ending:
    """How a program ended: its value as text that is equal for equal values, its files, or its error."""

    value: str
    files: dict[str, bytes]
    error: str | None


def load_all() -> list[PackageProgram]:
    """Returns every program, by name.

    Raises:
        PackageProgramError: One lacks a header or names an image that is not there.
    """
    return [load_program(path) for path in sorted(FOLDER.glob("*.py"))]


def packages_of(image: str, programs: list[PackageProgram]) -> list[str]:
    """Returns the distributions of an image."""
    return sorted({name for program in programs if program.image == image for name in program.packages})


def load_program(path: Path) -> PackageProgram:
    """Returns the program of a file; raises as `load_all`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    headers = dict(line[2:].split(":", 1) for line in lines[1:4] if line.startswith("# ") and ":" in line)
    image = headers.get("image", "").strip()
    if "packages" not in headers or image not in WARM or not lines[0].startswith('"""'):
        raise PackageProgramError(
            f"{path.name} says not what it does, what it needs, or its image: {headers}"
        )
    return PackageProgram(
        name=path.stem,
        path=path,
        source="\n".join(lines) + "\n",
        what=lines[0].strip('"'),
        packages=tuple(headers["packages"].split()),
        image=image,
        network=headers.get("network", "").strip() == "yes",
    )


class Native:
    """A process of this interpreter in which a program runs again and again."""

    def __init__(self, program: PackageProgram, output: Path, url: str) -> None:
        """Starts it; `output` is an empty directory for its files."""
        self._output = output
        command = [sys.executable, str(NATIVE), str(program.path), str(output), url]
        # The caller chose the interpreter and the program.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def work(self) -> tuple[float, Ending]:
        """Calls `work()`; returns the seconds of it and how it ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        try:
            seconds, value, error = pickle.load(self._process.stdout)
        except EOFError:
            raise PackageProgramError(f"the process ended with {self._process.wait()}") from None
        files = {
            str(path.relative_to(self._output)): path.read_bytes()
            for path in sorted(self._output.rglob("*"))
            if path.is_file()
        }
        return seconds, Ending(canonical(value), files, error)

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def ending_of(result: Any) -> Ending:
    """Returns how a run in the guest ended."""
    files = {path: file.data for path, file in sorted(result.files.items())}
    return Ending(canonical(result.value), files, None if result.error is None else result.error.traceback)
