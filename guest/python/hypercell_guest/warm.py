"""Image build: imports modules and walks the common paths once, so that the snapshot holds them ready.

Before: `bootstrap`. After: `codec`, `runner`.
"""

from contextlib import suppress
from importlib import import_module

from hypercell_guest import private_builtins as __builtins__  # noqa: F401
from hypercell_guest.codec import decode, encode
from hypercell_guest.report import error_body, text

_EXPRESSIONS = (
    "[None, True, 1, -1, 1000, 10**30, -10**30, 1.5, 'text', b'bytes', (1,), {1}, frozenset([1]), {'key': [1]}]",
    "__import__('datetime').datetime(2024, 2, 29, 1, 2, 3)",
    "__import__('datetime').date(2024, 2, 29)",
    "__import__('datetime').time(1, 2)",
    "__import__('datetime').timedelta(1)",
    "__import__('decimal').Decimal('1.5')",
    "__import__('uuid').UUID(int=1)",
)
_PROGRAM = """\
import sys
def fail(n):
    raise ValueError("as expected") if n == 0 else fail(n - 1)
try:
    fail(2)
except ValueError as error:
    raise LookupError("too") from error
"""


def import_modules(modules):
    """Imports `modules`, names as `import` takes them; returns pairs of name and message for those that failed."""
    _enable_faulthandler()
    failed = []
    for name in modules:
        try:
            import_module(name)
        except BaseException as error:
            failed.append([text(name), text(f"{type(error).__name__}: {error}")])
    return failed


def walk(run):
    """Walks the common paths, so that what they need of other modules is there.

    Args:
        run: Runs a program and returns the body of RunDone.
    """
    for expression in _EXPRESSIONS:
        decode(encode(eval(expression)))  # noqa: S307 - the constants above
    error_body(ValueError("as expected"), "<code>")
    for program in (_PROGRAM, "x = (", "1 + 1"):
        run(program)


def _enable_faulthandler():
    """Lets a fatal signal print the Python stack to descriptor 2 before it ends the process."""
    import faulthandler

    with suppress(OSError, RuntimeError):  # no alternate stack here: crashes say less
        faulthandler.enable(2)
