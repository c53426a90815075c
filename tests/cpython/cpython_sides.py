"""Runs modules of CPython's test package natively and in the guest, by module_runner.py in both places."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cpython_outcomes import Side, differences

import hypercell

RUNNER = Path(__file__).with_name("module_runner.py")
_NAME = f"python{sys.version_info[0]}.{sys.version_info[1]}"
LIBRARY = Path(sys.base_prefix, "lib", _NAME)
# Not that of a virtual environment, whose prefix some tests take for the interpreter's.
INTERPRETER = Path(sys.base_prefix, "bin", _NAME)
TIME_S = 60.0
_TOO_LONG = f"ran longer than {TIME_S:.0f} s"
MEMORY_BYTES = 1024 << 20
# How often a module is run, each time from where it was stopped before.
MAX_RUNS = 12
# What most tests import, so that a module finds it imported.
_WARM = "import json, logging, re, tempfile, threading, unittest.mock"

Reports = list[dict[str, Any]]
"""What a module reported, in order."""
Run = Callable[[str, Iterable[str]], tuple[Reports, str]]
"""Runs a module without some tests; returns what it reported, and how it was stopped if it was."""


def has_tests() -> bool:
    """Whether this interpreter has its test package; distributions leave it out or package it apart."""
    return Path(LIBRARY, "test", "support", "__init__.py").is_file()


def all_modules() -> list[str]:
    """The modules of the interpreter's test package that hold tests."""
    tests = LIBRARY / "test"
    found = [path.stem for path in tests.glob("test_*.py")]
    found += [path.parent.name for path in tests.glob("test_*/__init__.py")]
    return sorted(found)


class Guests:
    """Runs modules in the guest, each in a fresh VM from one snapshot in which the runner is imported.

    The standard library is mounted read-only, for its tests and for the extension modules that these test with; images
    leave both out.
    """

    def __init__(self) -> None:
        self._mounts = [(str(LIBRARY), "/cpython")]
        limits = hypercell.Limits(
            wall_time_s=TIME_S,
            memory_bytes=MEMORY_BYTES,
            output_bytes=64 << 20,
            tool_calls=1_000_000,
            file_read_bytes=1 << 40,
            open_files=1024,
        )
        image = hypercell.Image.from_environment(memory_bytes=MEMORY_BYTES)
        tools = [_reporter([])]
        with hypercell.Sandbox(
            tools, image=image, limits=limits, keep_state=True, mounts=self._mounts
        ) as box:
            box.run(RUNNER.read_text(encoding="utf-8")).raise_for_error()
            box.run(_WARM).raise_for_error()
            self._snapshot = box.snapshot()

    def run(self, name: str, skip: Iterable[str]) -> tuple[Reports, str]:
        """Runs one module; see `Run`."""
        reports: Reports = []
        tools = [_reporter(reports)]
        with hypercell.Sandbox.from_snapshot(
            self._snapshot, tools, keep_state=False, prepared=0, mounts=self._mounts
        ) as box:
            code = "run_module(name, lambda event: call_tool('report', event=event), skip)"
            try:
                result = box.run(code, inputs={"name": name, "skip": list(skip)})
            except hypercell.TimeLimitError:
                return reports, _TOO_LONG
            except hypercell.HypercellError as stop:
                return reports, f"{type(stop).__name__}: {str(stop).splitlines()[0]}"
        if result.error is not None:
            return reports, f"{result.error.type}: {result.error.message}"
        return [*reports, {"module": result.value}], ""


def _reporter(reports: Reports) -> Callable[..., None]:
    def report(event: dict[str, Any]) -> None:
        reports.append(event)

    return report


def run_native(name: str, skip: Iterable[str]) -> tuple[Reports, str]:
    """Runs one module on this interpreter, in a process and a directory of its own; see `Run`."""
    with tempfile.TemporaryDirectory(prefix="hypercell-cpython-", ignore_cleanup_errors=True) as scratch:
        file, work = Path(scratch, "reports.jsonl"), Path(scratch, "work")
        work.mkdir()
        command = [str(INTERPRETER), "-I", str(RUNNER), name, str(file), *skip]
        stop = ""
        try:
            done = subprocess.run(
                command,
                cwd=work,
                timeout=TIME_S,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
            if done.returncode:
                stop = f"exit status {done.returncode}"
        except subprocess.TimeoutExpired:
            stop = _TOO_LONG
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines], stop


def run_both(guests: Guests, name: str) -> dict[str, Any]:
    """Runs a module natively and in the guest and compares."""
    return differences(_run_whole(run_native, name), _run_whole(guests.run, name))


def _run_whole(run: Run, name: str) -> Side:
    """Runs a module, again from where it is stopped, until it is through."""
    side = Side()
    for _ in range(MAX_RUNS):
        reports, stop = run(name, side.tests)
        if not side.take(reports, stop):
            break
    return side
