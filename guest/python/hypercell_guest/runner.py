"""One run: compiles the code, executes it as `__main__`, and makes RunDone of how it ended.

The value is that of the last statement if that is an expression, as in a notebook; else that of the variable
`result` if the code sets it; else None. Code with `await` outside of functions runs on an event loop of its own.

Before: `bootstrap`. After: `codec`, `report`.
"""

import atexit
import builtins
import gc
import linecache
import sys
from _ast import Assign, Expr, Name, Store
from _thread import _count
from types import ModuleType

from hypercell_guest import private_builtins as __builtins__  # noqa: F401
from hypercell_guest.codec import encode
from hypercell_guest.fresh import reseed
from hypercell_guest.report import OUT_OF_MEMORY_BODY, error_body, forget_frames

# As PyCF_* of `ast` and CO_COROUTINE of `inspect`.
_ONLY_AST, _TOP_LEVEL_AWAIT, _IS_COROUTINE = 0x0400, 0x2000, 0x80
_VALUE = "<value>"  # no name of any program
_MIN_RECURSION_LIMIT = 1000
#: Given back when the code has used up its memory, so that the answer can still be made.
_RESERVE_BYTES = 4 << 20
_MODULES, _LINES = sys.modules, linecache.cache
_exit_functions, _run_exit_functions = atexit._ncallbacks, atexit._run_exitfuncs
_collect, _set_trace, _set_profile = gc.collect, sys.settrace, sys.setprofile
_recursion_limit, _set_recursion_limit = sys.getrecursionlimit, sys.setrecursionlimit


class Runner:
    """Runs code, and keeps its globals for the next run if the host says so."""

    def __init__(self, tools, streams):
        self._tools, self._streams = tools, streams
        self._main, self._is_kept, self._reserve = None, False, None

    def reset(self):
        """Drops kept globals."""
        self._main, self._is_kept = None, False
        _MODULES.pop("__main__", None)
        _collect()

    def run(self, request):
        """Runs what a RunRequest asks for and returns the body of RunDone."""
        name, line, exit_functions = request["name"], None, _exit_functions()
        try:
            space = self._prepare(request)
            if self._reserve is None:
                self._reserve = bytearray(_RESERVE_BYTES)
            code, last_line, sets_result = _compile(request["code"], name)
            before = space.get("result")
            self._execute(code, space)
            if last_line is not None:
                value, line = space.pop(_VALUE, None), last_line
            else:
                value = space.get("result")
                if value is before and not (value is not None and sets_result()):
                    value = None
            body = b"\xa1\x65value%b" % encode(value, "result", request["max_value"])
        except BaseException as error:
            value = None
            body = self._failure(error, name, line)
        if not self._is_kept and _exit_functions() != exit_functions:
            _run_exit_functions()
        self._streams.finish()
        return body

    def _prepare(self, request):
        """Returns the globals for a run: new ones with fresh random numbers, or those of the last run."""
        is_continued = self._is_kept and request["keep"]
        if not is_continued:
            reseed(request.get("seed"))
            self._main = ModuleType("__main__")
            self._main.__builtins__ = builtins
        self._is_kept = request["keep"]
        self._streams.install()
        _MODULES["__main__"] = self._main
        sys.argv = [request["name"]]
        space = self._main.__dict__
        for name, value in self._tools.globals(request["tools"], request["name"]).items():
            if name not in space:
                space[name] = value
        space.update(request["inputs"])
        return space

    def _failure(self, error, name, line):
        """Returns the body of RunDone for an exception, also where the code has used up all memory."""
        if not isinstance(error, MemoryError):
            try:
                return error_body(error, name, line)
            except MemoryError:
                pass
        self._reserve = None
        forget_frames(error)
        if not self._is_kept and self._main is not None:
            self._main.__dict__.clear()
        _collect()
        try:
            return error_body(error, name, line)
        except MemoryError:
            return OUT_OF_MEMORY_BODY

    def _execute(self, code, space):
        """Executes code, and what it left to its end: its threads.

        Short, because CPython unwinds for ever where it cannot allocate the number of an instruction, from 257 on, in a
        function with `finally` (`exception_unwind` in ceval.c). So memory is there again before anything else happens.
        """
        threads = _threads()
        try:
            try:
                if code.co_flags & _IS_COROUTINE:
                    import asyncio

                    asyncio.run(eval(code, space))  # noqa: S307 - what this package is for
                else:
                    exec(code, space)
            except MemoryError:
                self._reserve = None
                raise
            finally:
                if _count() and not self._is_kept:
                    _join_threads(threads)
        finally:
            _stop_tracing()


def _compile(source, name):
    """Compiles `source` so that the value of a last expression is stored.

    Returns:
        The code; the line of the last expression, or None; a function that says whether the code sets `result`.
    """
    source = source.removeprefix("\ufeff")
    text = source.replace("\r\n", "\n").replace("\r", "\n") if "\r" in source else source
    # For tracebacks and inspect.getsource; an entry without a time is never compared with a file.
    _LINES[name] = (len(text), None, [line + "\n" for line in text.split("\n")], name)
    tree = compile(source, name, "exec", _ONLY_AST, dont_inherit=True)
    last = tree.body[-1] if tree.body else None
    last_line = None
    if type(last) is Expr:
        last_line = last.lineno
        place = {
            "lineno": last_line,
            "col_offset": last.col_offset,
            "end_lineno": last.end_lineno,
            "end_col_offset": last.end_col_offset,
        }
        tree.body[-1] = Assign([Name(_VALUE, Store(), **place)], last.value, None, **place)
    code = compile(tree, name, "exec", _TOP_LEVEL_AWAIT, dont_inherit=True)
    return code, last_line, lambda: _sets_result(tree)


def _threads():
    """Returns the threads there are: before a run, those of modules that the image has imported, if any."""
    threading = _MODULES.get("threading") if _count() else None
    return frozenset() if threading is None else frozenset(threading.enumerate())


def _join_threads(before):
    """Waits for threads as the interpreter does at its end: for all but daemons, after telling pools to end theirs.

    Those that were there before belong to the image. Its pools are told nothing either where the run has no threads.
    """

    def running():
        return [one for one in _threads() - before if not one.daemon and one is not me]

    threading = _MODULES.get("threading")
    if threading is None:
        return
    me = threading.current_thread()
    if running():
        for function in reversed(getattr(threading, "_threading_atexits", ())):
            function()
    while threads := running():
        for thread in threads:
            thread.join()


def _sets_result(tree):
    from ast import walk

    return any(type(node) is Name and node.id == "result" and type(node.ctx) is Store for node in walk(tree))


def _stop_tracing():
    """Takes away what the code may have left to watch or bound the interpreter, before it bothers this package."""
    _set_trace(None)
    try:
        _set_profile(None)
    except BaseException:  # the profile function, which sees this call
        _set_profile(None)
    if _recursion_limit() < _MIN_RECURSION_LIMIT:
        _set_recursion_limit(_MIN_RECURSION_LIMIT)
