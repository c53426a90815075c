"""Runs one program: compiles it, executes it, returns its value or its error as a RunDone message.

Before: bootstrap. After: streams, tools, report.
"""

import ast
import atexit
import gc
import linecache
import sys
import types

from hypercell_guest import report
from hypercell_guest.codec import ValueNotSendableError, encode

_RESULT = "__hypercell_result__"
_SEED_BYTES = 32
# Let go when a program has used up its memory, so that the answer can still be made.
_RESERVE_BYTES = 4 << 20
# What a traceback shows of a program that used up its memory: there may be millions of frames.
_FRAMES_WITHOUT_MEMORY = 20


class Runner:
    """Runs programs, each in a fresh `__main__`, or in one that stays where state is kept."""

    def __init__(self, streams, tools):
        self._streams = streams
        self._tools = tools
        self._kept = None
        self._reserve = bytearray(_RESERVE_BYTES)

    def reset(self):
        """Drops the kept `__main__`."""
        self._kept = None

    def run(self, request):
        """Runs a request and returns the body of the RunDone message."""
        filename = request["name"]
        self._streams.install()
        if self._reserve is None:
            self._reserve = bytearray(_RESERVE_BYTES)
        try:
            if self._kept is None:
                reseed(request["seed"])
            main = self._main(request)
            done = self._answer(main, request["code"], filename, request["max_value"])
        except BaseException as error:
            done = self._failure(error, filename)
        self._streams.flush()
        return done

    def _main(self, request):
        main = self._kept
        if main is None:
            main = types.ModuleType("__main__")
            main.__builtins__ = __builtins__
            if request["keep"]:
                self._kept = main
        sys.modules["__main__"] = main
        names = main.__dict__
        names.pop("result", None)
        names.update(self._tools.names(request["tools"]))
        names.update(request["inputs"])
        return main

    def _answer(self, main, code, filename, max_value):
        names = main.__dict__
        exits_before = atexit._ncallbacks()
        try:
            value = execute(code, filename, names)
            status = None
        except SystemExit as error:
            status = exit_status(error)
            if status != 0:
                return self._failure(error, filename, status)
            value = None
        if atexit._ncallbacks() != exits_before and self._kept is None:
            atexit._run_exitfuncs()
        body = b"evalue" + encode(value, "result", max_value)
        return b"\xa1" + body if status is None else b"\xa2" + body + b"dexit" + encode(status)

    def _failure(self, error, filename, status=None):
        try:
            if isinstance(error, MemoryError):
                described = self._describe_without_memory(error, filename)
            else:
                described = report.describe(error, filename)
        except MemoryError:
            described = self._describe_without_memory(error, filename)
        if type(error) is ValueNotSendableError:
            described["tb"] = f"{described['type']}: {described['msg']}\n"
        body = b"cerr" + encode(described)
        return b"\xa1" + body if status is None else b"\xa2" + body + b"dexit" + encode(status)

    def _describe_without_memory(self, error, filename):
        self._reserve = None
        described = report.describe(error, filename, _FRAMES_WITHOUT_MEMORY)
        # What the program filled memory with hangs on its globals and on its frames.
        error.__traceback__ = error.__context__ = None
        if self._kept is None:
            sys.modules["__main__"].__dict__.clear()
            gc.collect()
        return described


def execute(code, filename, names):
    """Executes a program and returns its value: that of the last expression, else of `result` where it is set."""
    code = code.removeprefix("\ufeff")
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree = compile(code, filename, "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True)
    ends_with_value = bool(tree.body) and isinstance(tree.body[-1], ast.Expr)
    if ends_with_value:
        last = tree.body[-1]
        target = ast.copy_location(ast.Name(_RESULT, ast.Store()), last)
        tree.body[-1] = ast.copy_location(ast.Assign([target], last.value), last)
    compiled = compile(tree, filename, "exec", flags, dont_inherit=True)
    if compiled.co_flags & 0x80:  # CO_COROUTINE: the program awaits at its top level
        import asyncio

        asyncio.run(types.FunctionType(compiled, names)())
    else:
        exec(compiled, names)
    return names.pop(_RESULT, None) if ends_with_value else names.get("result")


def exit_status(error):
    """Returns the status that CPython would exit with; a text, which it would print, is the error's message."""
    code = error.code
    if code is None:
        return 0
    return int(code) & 0xFF if isinstance(code, int) else 1


def reseed(seed):
    """Gives this copy of the VM its own random state. Every copy of a snapshot has the same memory."""
    if type(seed) is not bytes or len(seed) != _SEED_BYTES:
        raise RuntimeError(
            f"seed of {len(seed) if seed else 0} bytes, need {_SEED_BYTES}: refusing to repeat random numbers"
        )
    modules = sys.modules
    number = int.from_bytes(seed, "little")
    if "random" in modules:
        modules["random"].seed(number)
    if "numpy.random" in modules:
        modules["numpy.random"].seed([number >> shift & 0xFFFFFFFF for shift in range(0, 256, 32)])
    if "uuid" in modules:
        modules["uuid"]._last_timestamp = modules["uuid"]._node = None
    if "tempfile" in modules:
        modules["tempfile"]._name_sequence = None
