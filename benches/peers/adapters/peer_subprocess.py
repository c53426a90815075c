"""A CPython subprocess with nothing around it: the floor of what a process costs, and no protection."""

import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from _harness import serve
from _pipes import CHILD, PipedPeer

# The interpreter that the virtual environment is made from: without its site-packages, which -S leaves out anyway.
PYTHON = str(Path(sys.executable).resolve())
FLAGS = ["-I", "-S", "-c", CHILD]


class Subprocess(PipedPeer):
    name = "CPython subprocess"
    isolation = "none: an ordinary process of the caller's user"
    language = f"CPython {platform.python_version()}"
    new_is = "`python -I -S`, run, exit; programs and tool calls as JSON lines over its pipes"
    command: tuple[str, ...] = (PYTHON,)

    def version(self) -> str:
        return platform.python_version()

    @contextmanager
    def interpreter(self) -> Iterator[tuple[IO[str], IO[str]]]:
        """Starts a process and waits for its end, which comes when its standard input ends."""
        with subprocess.Popen(
            [*self.command, *FLAGS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            yield process.stdin, process.stdout


if __name__ == "__main__":
    serve(Subprocess())
