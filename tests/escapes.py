"""The escape programs, tests/programs/escape_*.py: attempts to get out of the VM, and what each one must see.

They run in a guest and nowhere else: nothing here executes one. Each begins with a comment that says what it tries and
what it must see, and has at its top level exactly one of

    EXPECTED = <literal>     the value with which the run must end, without an error
    RAISES = "<type: text>"  the error of Python that must end it
    ENDS = "<class>"         the exception of hypercell by which the host must end the run

and, if it needs other limits than the default, `LIMITS = {"memory_bytes": ...}`. These lines are taken out before the
program is sent, so that a program cannot answer with its own expectation.

The program finds what `PRELUDE` defines, the tool `add(a, b)`, and what an attacker could know of the host:
`host_file`, `host_pid` and `host_port` (a listener on 127.0.0.1).
"""

import ast
import dataclasses
from pathlib import Path
from typing import Any

from corpus import ESCAPE_PREFIX as PREFIX
from corpus import PROGRAMS

ENDINGS = ("EXPECTED", "RAISES", "ENDS")
CONSTANTS = (*ENDINGS, "LIMITS")

PRELUDE = '''
import ctypes, errno, os

def attempt(action, *arguments, **options):
    """Says how the call ended: by the name of its errno, or of its exception, or as allowed."""
    try:
        action(*arguments, **options)
    except OSError as error:
        # getlogin has it negative with glibc 2.43.
        number = abs(error.errno) if type(error) is OSError else error.errno
        return errno.errorcode.get(number, type(error).__name__)
    except BaseException as error:
        return type(error).__name__
    return "allowed"

def syscall(number, *arguments):
    """Returns the result of a system call made past Python, or the name of its errno."""
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    wide = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = call(ctypes.c_long(number), *wide)
    return errno.errorcode[ctypes.get_errno()] if result == -1 else result
'''


class EscapeError(Exception):
    """A file that the suite cannot use: without a head, or without an expectation."""


@dataclasses.dataclass(frozen=True)
class Escape:
    """One escape program, its constants taken out of the source."""

    name: str
    source: str
    expected: Any
    raises: str | None
    ends: str | None
    limits: dict[str, Any]


def load_all(folder: Path = PROGRAMS) -> list[Escape]:
    """Reads every escape program; raises EscapeError for the first that does not fit."""
    return [load(path) for path in sorted(folder.glob(f"{PREFIX}*"))]


def load(path: Path) -> Escape:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py" or not text.startswith("# "):
        raise EscapeError(f"{path.name}: not a Python file that begins with a comment")
    constants, lines = {}, text.splitlines()
    for statement in ast.parse(text, path.name).body:
        name = _assigned(statement)
        if name not in CONSTANTS:
            continue
        if name in constants:
            raise EscapeError(f"{path.name}: {name} is there twice")
        try:
            constants[name] = ast.literal_eval(statement.value)
        except ValueError:
            raise EscapeError(f"{path.name}: {name} is not a literal") from None
        for number in range(statement.lineno - 1, statement.end_lineno):
            lines[number] = ""
    if sum(name in constants for name in ENDINGS) != 1:
        raise EscapeError(f"{path.name}: needs exactly one of {', '.join(ENDINGS)}")
    if constants.get("EXPECTED", "") is None:
        raise EscapeError(f"{path.name}: EXPECTED is None, which a program that does nothing also gives")
    return Escape(
        name=path.stem,
        source=PRELUDE + "\n".join(lines) + "\n",
        expected=constants.get("EXPECTED"),
        raises=constants.get("RAISES"),
        ends=constants.get("ENDS"),
        limits=constants.get("LIMITS", {}),
    )


def _assigned(statement: ast.stmt) -> str | None:
    """The name to which a statement assigns, if it is a plain assignment to one name."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        return target.id if isinstance(target, ast.Name) else None
    return None
