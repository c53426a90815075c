"""Runs one module of CPython's `test` package and reports each of its tests, in the guest and natively alike.

    python module_runner.py MODULE FILE [SKIP ...]     runs MODULE here, in the working directory

Natively the reports are lines of JSON in FILE. In the guest this source is run first, and then
`run_module(name, report, skip)` with a report that is a tool: what was reported is known, too, where the module hangs
or takes its interpreter with it. Imports nothing of hypercell and nothing of the test suite.

Each test is reported when it begins, `{"begin": id}`, and when it ends, `{"end": id, "outcome": ..., "why": ...}`, with
an outcome of "passed", "failed", "skipped" or "expected" (a failure that the test expects). The end says in `needs`,
too, what the test asked for that is not in a sandbox: "process" or "socket". That is seen by audit events.
"""

import importlib
import json
import os
import signal
import sys
import traceback
import unittest
from importlib.machinery import PathFinder

# Where the guest finds the standard library's tests, which images leave out.
GUEST_LIBRARY = "/cpython"
# Packages of tests that are in the package that they test, which modules of `test` run.
_TESTS_IN_PACKAGES = ("ctypes.test", "lib2to3.tests", "unittest.test")
_PROCESS_EVENTS = {
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "pty.spawn",
    "subprocess.Popen",
}
_SOCKET_EVENTS = {
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.sendto",
}
_MAX_WHY = 300


class Needs:
    """What was asked for that is not in a sandbox, by whom: a test, a class, or the module."""

    def __init__(self):
        self.of = {}
        self.whose = "module"

    def hear(self, event, _args):
        if event in _PROCESS_EVENTS:
            self.of.setdefault(self.whose, set()).add("process")
        elif event in _SOCKET_EVENTS or (event == "socket.__new__" and _is_new_socket()):
            self.of.setdefault(self.whose, set()).add("socket")

    def of_test(self, test):
        found = set()
        for whose in (_id_of(test), _class_key(type(test)), type(test).__module__, "module"):
            found |= self.of.get(whose, set())
        return sorted(found)


def _is_new_socket():
    """Whether a socket is made, and no object for a descriptor that is open (a pair's end, for example)."""
    caller = sys._getframe(2)
    return caller.f_locals.get("fileno") is None


def _id_of(test):
    """The test's name. Some tests have an attribute of their own that is called `id`."""
    return type(test).id(test)


def _class_key(test_class):
    return f"{test_class.__module__}.{test_class.__qualname__}"


class Suite(unittest.TestSuite):
    """A suite that says whose fixtures run."""

    needs = Needs()

    def _handleClassSetUp(self, test, result):
        self.needs.whose = _class_key(type(test))
        super()._handleClassSetUp(test, result)

    def _handleModuleFixture(self, test, result):
        self.needs.whose = type(test).__module__
        super()._handleModuleFixture(test, result)


class Result(unittest.TestResult):
    """Reports tests as they begin and end."""

    def __init__(self, report, needs):
        super().__init__()
        self._report = report
        self._needs = needs
        self._outcome = None

    def startTest(self, test):
        super().startTest(test)
        self._needs.whose = _id_of(test)
        self._outcome = None
        self._report({"begin": _id_of(test)})

    def stopTest(self, test):
        super().stopTest(test)
        # A test that ends without a word had nothing but subtests that were skipped.
        outcome, why = self._outcome or ("skipped", "all subtests were skipped")
        self._end(_id_of(test), outcome, why, self._needs.of_test(test))
        self._needs.whose = _class_key(type(test))

    def addSuccess(self, test):
        self._add("passed", "")

    def addFailure(self, test, err):
        self._fail(test, err)

    def addError(self, test, err):
        self._fail(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._fail(test, err)

    def addExpectedFailure(self, test, err):
        self._add("expected", "")

    def addUnexpectedSuccess(self, test):
        self._add("failed", "passes, which the test does not expect")

    def addSkip(self, test, reason):
        if isinstance(test, unittest.TestCase):
            self._add("skipped", reason)
        else:
            self._end(_id_of(test), "skipped", reason, [])

    def _fail(self, test, err):
        why = _line_of(err[1])
        if isinstance(test, unittest.TestCase):
            self._add("failed", why)
        else:
            # A fixture of a class or a module, in place of all tests that it is for.
            self._end(_id_of(test), "failed", why, sorted(self._needs.of.get(self._needs.whose, ())))

    def _add(self, outcome, why):
        """Keeps the worst of what one test reports: subtests and cleanups may fail beside it."""
        if self._outcome is None or outcome == "failed" != self._outcome[0]:
            self._outcome = (outcome, why)

    def _end(self, name, outcome, why, needs):
        self._report({"end": name, "outcome": outcome, "why": why[:_MAX_WHY], "needs": needs})


def _line_of(error):
    """The error in one line, with the last line of a test that it passed."""
    try:
        frames = traceback.extract_tb(error.__traceback__)
        here = [f"{os.path.basename(one.filename)}:{one.lineno}" for one in frames if "/test" in one.filename]
        text = " ".join(traceback.format_exception_only(type(error), error)[-1].split())
    except Exception as other:
        return f"{type(error).__name__}, which cannot be shown: {type(other).__name__}"
    return f"{here[-1]}: {text}" if here else text


def run_module(name, report, skip=()):
    """Runs module `name` of the test package but the tests named in `skip`.

    Returns what came of the whole: "ran", "skipped" (by the module itself, when it was imported), "failed", and why.
    """
    if os.path.isdir(GUEST_LIBRARY):
        _find_tests()
    from test import support

    # None is every resource; these are those of `python -m test`: nothing that asks for a network, a GUI or long times.
    support.use_resources = []
    support.verbose = 0
    _probe_sockets()
    needs = Suite.needs
    sys.addaudithook(needs.hear)
    _hear_of_forks(needs)
    loader = unittest.TestLoader()
    loader.suiteClass = Suite
    try:
        suite = loader.loadTestsFromModule(importlib.import_module(f"test.{name}"))
        if loader.errors:
            return {"outcome": "failed", "why": loader.errors[0].strip().splitlines()[-1][:_MAX_WHY]}
        whole = Suite([_without(suite, frozenset(skip))])
        whole.run(Result(report, needs))
    except unittest.SkipTest as reason:
        return {"outcome": "skipped", "why": str(reason)[:_MAX_WHY]}
    except BaseException as error:
        return {"outcome": "failed", "why": _line_of(error)[:_MAX_WHY]}
    return {"outcome": "ran", "why": ""}


def _hear_of_forks(needs):
    """Hears of the processes of multiprocessing, too, for which there is no audit event."""
    import _posixsubprocess

    start = _posixsubprocess.fork_exec

    def fork_exec(*arguments):
        needs.hear("subprocess.Popen", arguments)
        return start(*arguments)

    _posixsubprocess.fork_exec = fork_exec


class TestsInPackages:
    """Finds packages of tests where the guest has the standard library's, beside those that are in the image."""

    @staticmethod
    def find_spec(name, _path=None, _target=None):
        if name not in _TESTS_IN_PACKAGES:
            return None
        return PathFinder.find_spec(name, [f"{GUEST_LIBRARY}/{name.partition('.')[0]}"])


def _find_tests():
    """Makes the tests importable in the guest.

    Some are about files of bytecode, which the guest does not write unless told to, and natively are. Subinterpreters
    begin with the search path of the configuration, where it can be told, and not with that of this one.
    """
    found = [GUEST_LIBRARY, f"{GUEST_LIBRARY}/lib-dynload"]
    sys.path += found
    import _testinternalcapi

    if hasattr(_testinternalcapi, "set_config"):
        config = _testinternalcapi.get_config()
        config["module_search_paths"] = [*config["module_search_paths"], *found]
        library = sys._stdlib_dir
        _testinternalcapi.set_config(config)
        # It is not of the configuration, and forgotten with it.
        sys._stdlib_dir = library
    sys.meta_path.append(TestsInPackages)
    sys.dont_write_bytecode = False


def _probe_sockets():
    """Does early what modules do when they are imported, so that it is no need of theirs.

    The probe expects that a socket can at least be made. It is told the refusal, and skips what needs one.
    """
    from test.support import socket_helper

    try:
        socket_helper.skip_unless_bind_unix_socket(unittest.TestCase)
    except PermissionError as refusal:
        socket_helper._bind_nix_socket_error = refusal


def _without(suite, skip):
    """The suite without the tests of those names."""
    kept = Suite()
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            kept.addTest(_without(one, skip))
        elif _id_of(one) not in skip:
            kept.addTest(one)
    return kept


def main(name, file, *skip):
    # As in the guest, also where a shell started this in the background and made it ignore the signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(file, "w", encoding="utf-8") as lines:

        def report(event):
            lines.write(json.dumps(event) + "\n")
            lines.flush()

        report({"module": run_module(name, report, skip)})
        # Threads and children that the tests left behind are no part of the outcome.
        os._exit(0)


if __name__ == "__main__" and len(sys.argv) > 1:
    main(*sys.argv[1:])
