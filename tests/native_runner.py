"""Runs one program on this interpreter by the rules of the guest, for tests/test_programs.py to compare.

The rules: the program's last expression is its value, its file is called `<code>` in tracebacks, its globals
are those of `__main__`, and a traceback begins at the program's own first frame.

    python native_runner.py PROGRAM RECORD     runs PROGRAM and pickles how it ended into the file RECORD

Used as a script in a process of its own, so it imports nothing of hypercell and nothing of the test suite.
"""

import ast
import linecache
import os
import pickle
import re
import signal
import sys
import traceback
import types
from pathlib import Path

CODE_NAME = "<code>"


def run(source):
    """Executes `source` and returns how it ended: a dict with value, error and exit_code."""
    main = types.ModuleType("__main__")
    main.__builtins__ = __builtins__
    sys.modules["__main__"] = main
    linecache.cache[CODE_NAME] = (len(source), None, source.splitlines(keepends=True), CODE_NAME)
    record = {"value": None, "error": None, "exit_code": None}
    try:
        record["value"] = _execute(source, main.__dict__)
    except SystemExit as exit_request:
        record["exit_code"] = _exit_code(exit_request)
        # Leaving with status 0 is success.
        record["error"] = _describe(exit_request) if record["exit_code"] else None
    except BaseException as error:
        record["error"] = _describe(error)
    return record


def _execute(source, namespace):
    tree = ast.parse(source, CODE_NAME)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    exec(compile(tree, CODE_NAME, "exec", dont_inherit=True), namespace)
    if last is None:
        return None
    return eval(compile(last, CODE_NAME, "eval", dont_inherit=True), namespace)


def _describe(error):
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != CODE_NAME:
        frames = frames.tb_next
    text = "".join(traceback.format_exception(type(error), error, frames))
    try:
        message = str(error)
    except Exception:
        message = "<exception str() failed>"
    return {
        "type": type(error).__name__,
        "message": message,
        "traceback": _portable(text),
        "line": _line(error, frames),
    }


def _line(error, frames):
    """The last line of the program that the exception passed; of a SyntaxError in it, the line at fault."""
    if isinstance(error, SyntaxError) and error.filename == CODE_NAME:
        return error.lineno
    line = None
    while frames is not None:
        if frames.tb_frame.f_code.co_filename == CODE_NAME:
            line = frames.tb_lineno
        frames = frames.tb_next
    return line


def _exit_code(exit_request):
    if exit_request.code is None:
        return 0
    return exit_request.code if isinstance(exit_request.code, int) else 1


def _portable(text):
    """Writes the stdlib's folder as the guest has it, and leaves out how deep a recursion went."""
    stdlib = str(Path(os.__file__).parent)
    guest = f"/python/lib/python{sys.version_info[0]}.{sys.version_info[1]}"
    return without_depth(text.replace(stdlib, guest))


def without_depth(text):
    """Leaves out how many equal lines a recursion repeats, which depends on the caller's depth."""
    return re.sub(r"\[Previous line repeated \d+ more times\]", "[Previous line repeated]", text)


def main(program, record_file):
    # As in the guest, also where a shell started the tests in the background and made them ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    record = run(Path(program).read_text(encoding="utf-8"))
    if "threading" in sys.modules:
        # What the interpreter does at its end: the guest does it at the end of the run, before the value leaves.
        sys.modules["threading"]._shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    Path(record_file).write_bytes(pickle.dumps(record))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
