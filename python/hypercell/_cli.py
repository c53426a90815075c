"""The command line: `hypercell run` and `hypercell doctor`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ._errors import GuestCrashError, HypercellError, LimitError
from ._image import cache_directory, default_image, native
from ._limits import MIB, Limits
from ._result import RunResult
from ._sandbox import Sandbox
from ._version import __version__

EXIT_FAILED = 1
EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.command(options)
    except HypercellError as error:
        result = getattr(error, "result", None)
        if isinstance(result, RunResult):
            _print_output(result)
        print(f"hypercell: {error}", file=sys.stderr)
        if isinstance(error, GuestCrashError) and error.report:
            print(error.report, file=sys.stderr)
        status = EXIT_FAILED
    except KeyboardInterrupt:
        status = 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hypercell", description="Runs Python in a fresh micro-VM.")
    parser.add_argument("--version", action="version", version=f"hypercell {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run a program in a fresh micro-VM, without tools, files or network")
    source = run.add_mutually_exclusive_group(required=True)
    source.add_argument("file", nargs="?", metavar="FILE", help="the program; - reads standard input")
    source.add_argument("-c", dest="code", metavar="CODE", help="the program as an argument")
    run.add_argument("--json", action="store_true", help="print the whole result as one JSON object")
    run.add_argument("--wall-time", type=float, metavar="S", help="seconds the program may take (default 30)")
    run.add_argument("--memory-mib", type=int, metavar="N", help="memory of the guest in MiB (default 512)")
    run.set_defaults(command=_run)
    doctor = commands.add_parser("doctor", help="check whether this machine can run micro-VMs, and say what to do")
    doctor.set_defaults(command=_doctor)
    return parser


def _run(options: argparse.Namespace) -> int:
    try:
        code, name = _source(options)
    except (OSError, UnicodeDecodeError) as error:
        print(f"hypercell: cannot read the program: {error}", file=sys.stderr)
        return EXIT_USAGE
    given: dict[str, Any] = {}
    if options.wall_time is not None:
        given["wall_time_s"] = options.wall_time
    if options.memory_mib is not None:
        given["memory_bytes"] = options.memory_mib * MIB
    with Sandbox(limits=Limits(**given)) as box:
        result = box.run(code, filename=name)
    if options.json:
        print(json.dumps(_as_json(result)))
    else:
        _print_output(result)
        if result.error is not None:
            print(result.error, file=sys.stderr)
        elif result.value is not None:
            print(repr(result.value))
    if result.exit_code is not None:
        return result.exit_code
    return EXIT_FAILED if result.error is not None else 0


def _source(options: argparse.Namespace) -> tuple[str, str]:
    if options.code is not None:
        return options.code, "<string>"
    if options.file == "-":
        return sys.stdin.read(), "<stdin>"
    return Path(options.file).read_text(encoding="utf-8"), options.file


def _print_output(result: RunResult) -> None:
    sys.stdout.write(result.stdout)
    sys.stdout.flush()
    sys.stderr.write(result.stderr)
    sys.stderr.flush()


def _as_json(result: RunResult) -> dict[str, Any]:
    error = result.error
    try:
        json.dumps(result.value)
        value = result.value
    except (TypeError, ValueError):
        # JSON has fewer types than a result: what it cannot hold is shown as Python writes it.
        value = repr(result.value)
    return {
        "value": value,
        "stdout": result.stdout,
        "stderr": result.stderr,
        "error": None if error is None else vars(error),
        "exit_code": result.exit_code,
        "usage": vars(result.usage),
        "unsupported_syscalls": result.unsupported_syscalls,
    }


def _doctor(options: argparse.Namespace) -> int:
    healthy = True

    def report(name: str, ok: bool, detail: str, fix: str | None = None) -> None:
        nonlocal healthy
        healthy = healthy and ok
        print(f"{'ok  ' if ok else 'FAIL'}  {name}: {detail}")
        if not ok and fix:
            print(f"      {fix}")

    try:
        module = native()
    except HypercellError as error:
        report("native module", False, str(error))
        return EXIT_FAILED
    report("native module", True, f"version {module.__version__}")
    for check in module.preflight(cache_dir=cache_directory()):
        report(check["name"], bool(check["ok"]), str(check["detail"]), check["fix"])
    if not healthy:
        return EXIT_FAILED
    try:
        started = time.perf_counter()
        image = default_image()
        report("image", True, f"{image!r}, {image.size_bytes / MIB:.0f} MiB, {time.perf_counter() - started:.2f} s")
        started = time.perf_counter()
        with Sandbox() as box:
            value = box.run("1 + 1").value
        report("self-test", value == 2, f"1 + 1 is {value!r} in a micro-VM, {(time.perf_counter() - started) * 1000:.1f} ms")
    except LimitError as error:
        report("self-test", False, str(error), "the machine may be overloaded; try again")
    except HypercellError as error:
        report("self-test", False, str(error))
    return 0 if healthy else EXIT_FAILED
