"""The command line: `hypercell run`, `hypercell mcp`, `hypercell image`, `hypercell doctor` and `hypercell bench`.

Guarantees: an error or a warning of ours is one line on standard error and no traceback. Never: gives a program tools
or files that were not named, or more of the network than `--allow` says.

Before: the shell. After: _sandbox, _image, _cli_image, _cli_mcp.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import sys
import time
import tokenize
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from . import _cli_image, _cli_mcp
from ._domains import Domain
from ._errors import GuestCrashError, HypercellError, PolicyError
from ._image import Image, cache_directory, default_image, native
from ._limits import MIB, Limits
from ._mounts import Mount
from ._result import RunResult
from ._sandbox import Sandbox
from ._version import __version__

EXIT_FAILED = 1
EXIT_USAGE = 2
# The run was stopped, or could not start: what `EXIT_FAILED` is not, an exception of the program.
EXIT_STOPPED = 3
EXIT_INTERRUPTED = 130

_EPILOG = (
    "exit status: that of sys.exit(); 1 if the program raised an exception, 2 if it cannot be read or an option is "
    "wrong, 3 if it was stopped at a limit or no micro-VM can run it"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status.

    Args:
        arguments: What follows the name of the command; `sys.argv` unless given.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # A value is shown whatever its size: limits bound it already. Python 3.10 has this from 3.10.7.
    getattr(sys, "set_int_max_str_digits", int)(0)
    try:
        options = _parser().parse_args(arguments)
        with warnings.catch_warnings():
            # Without the line of ours from which the warning comes.
            warnings.showwarning = lambda message, *_, **__: _complain(message)
            status: int = options.command(options)
        sys.stdout.flush()
    except HypercellError as error:
        _complain(error)
        return EXIT_USAGE if isinstance(error, PolicyError) else EXIT_STOPPED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever reads the output has enough. Python would complain again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hypercell", description="Runs Python in a fresh micro-VM.")
    parser.add_argument("--version", action="version", version=f"hypercell {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="run a program, without tools, and with no file or domain that is not named",
        description="Runs a program in a fresh micro-VM and prints its output and the value of its last expression.",
        epilog=_EPILOG,
    )
    source = run.add_mutually_exclusive_group(required=True)
    source.add_argument("file", nargs="?", metavar="FILE", help="the program; - reads standard input")
    source.add_argument("-c", dest="code", metavar="CODE", help="the program itself")
    run.add_argument("--json", action="store_true", help="print everything about the run as one JSON object")
    run.add_argument(
        "--strace", action="store_true", help="print each system call of the program to standard error"
    )
    _add_grants(run)
    run.add_argument("--output-dir", type=Path, metavar="DIR", help="put the files of /output there")
    run.set_defaults(command=_run)
    served = _cli_mcp.add_command(commands)
    _add_grants(served)
    served.set_defaults(command=_mcp)
    _cli_image.add_commands(commands)
    doctor = commands.add_parser(
        "doctor",
        help="check whether this machine can run micro-VMs, and say what to do",
        description="Checks each part of what a micro-VM needs. Exits with 1 if one fails.",
    )
    doctor.set_defaults(command=_doctor)
    bench = commands.add_parser(
        "bench",
        help="measure what starts, runs, tool calls and live VMs cost here",
        description="Measures on this machine. Pin it to one CPU and leave the machine alone for figures to compare.",
    )
    bench.add_argument(
        "cases", nargs="*", metavar="CASE", help="only cases that begin so, such as phase/ or run/"
    )
    bench.add_argument("--quick", action="store_true", help="few repeats")
    bench.add_argument("--cpu", type=int, metavar="N", help="pin the process to this CPU")
    bench.add_argument("--json", type=Path, metavar="FILE", help="write machine and figures there too")
    bench.add_argument(
        "--compare", type=Path, metavar="FILE", help="an earlier --json; print new as a multiple of old"
    )
    bench.add_argument("--plot", type=Path, metavar="FILE", help="draw the times as an SVG picture")
    bench.set_defaults(command=_bench)
    return parser


def _add_grants(command: argparse.ArgumentParser) -> None:
    """Adds the options that say what code may use."""
    command.add_argument(
        "--wall-time", type=float, metavar="S", help="seconds that the program may take (default: 30)"
    )
    command.add_argument(
        "--allow",
        action="append",
        default=[],
        type=_domain,
        metavar="[METHODS ]DOMAIN",
        help="what it may reach by HTTP, such as api.github.com, *.example.org, http://localhost:8000/api or "
        "'GET,HEAD api.github.com'; may be given several times (default: nothing)",
    )
    command.add_argument("--image", metavar="DIGEST", help="the image to run on; see hypercell image list")
    command.add_argument(
        "--memory-mib", type=int, metavar="N", help="memory of the guest in MiB (default: 128)"
    )
    command.add_argument(
        "--mount",
        action="append",
        default=[],
        metavar="HOST[:GUEST[:rw]]",
        help="a directory that the program may read, at the same path unless said, and with :rw change; repeatable",
    )


def _mcp(options: argparse.Namespace) -> int:
    mounts = [_mount(text) for text in options.mount]
    return _cli_mcp.serve(options, mounts, _limits(options), _image(options))


def _bench(options: argparse.Namespace) -> int:
    # Its imports are of no use to the other commands.
    from . import _bench as benches

    chosen = [case for case in benches.BENCHES if not options.cases or case in options.cases]
    if unknown := [case for case in options.cases if case not in benches.BENCHES]:
        raise PolicyError(f"there are no cases {unknown[0]!r}; there are {', '.join(benches.BENCHES)}")
    try:
        old = None if options.compare is None else json.loads(options.compare.read_bytes())["cases"]
        if options.cpu is not None:
            os.sched_setaffinity(0, {options.cpu})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PolicyError(f"an option cannot be used: {error!r}") from error
    default_image()
    where = benches.machine()
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    report = benches.Report(lambda line: print(line, flush=True))
    for case in chosen:
        benches.BENCHES[case](report, options.quick)
    if old is not None:
        print("\ncompared with", options.compare, *benches.compare(old, report.cases), sep="\n")
    try:
        if options.json is not None:
            options.json.write_text(json.dumps({"machine": where, "cases": report.cases}, indent=2) + "\n")
        if options.plot is not None:
            options.plot.write_text(benches.plot(where, report.cases), encoding="utf-8")
    except OSError as error:
        _complain(error)
        return EXIT_FAILED
    return 0


def _complain(error: object) -> None:
    print("hypercell:", " ".join(str(error).split()), file=sys.stderr)


def _run(options: argparse.Namespace) -> int:
    try:
        code, name = _source(options)
    except (OSError, ValueError, SyntaxError) as error:
        _complain(f"cannot read the program: {error}")
        return EXIT_USAGE
    show = _show_json if options.json else _show
    try:
        mounts = [_mount(text) for text in options.mount]
        with Sandbox(
            image=_image(options),
            domains=options.allow,
            limits=_limits(options),
            mounts=mounts,
            output_dir=options.output_dir,
            trace_syscalls=options.strace,
        ) as box:
            result = box.run(code, filename=name)
    except HypercellError as error:
        partial = getattr(error, "result", None)
        if options.json or isinstance(partial, RunResult):
            show(partial if isinstance(partial, RunResult) else RunResult(), error)
        raise
    show(result, None)
    if result.exit_code is not None:
        return result.exit_code
    return EXIT_FAILED if result.error is not None else 0


def _image(options: argparse.Namespace) -> Image | None:
    return None if options.image is None else Image.from_cache(options.image)


def _limits(options: argparse.Namespace) -> Limits:
    given: dict[str, Any] = {}
    if options.wall_time is not None:
        given["wall_time_s"] = options.wall_time
    if options.memory_mib is not None:
        given["memory_bytes"] = options.memory_mib * MIB
    return Limits(**given)


def _domain(text: str) -> Domain:
    methods, _, pattern = text.rpartition(" ")
    return Domain(pattern, methods.split(",") if methods else None)


def _mount(text: str) -> Mount:
    """Returns the mount that an option describes."""
    host, _, rest = text.partition(":")
    guest, _, mode = rest.partition(":")
    if mode not in ("", "ro", "rw"):
        raise PolicyError(f"--mount {text!r} ends with {mode!r}, which is neither ro nor rw")
    return Mount(host, guest or None, mode="rw" if mode == "rw" else "ro")


def _source(options: argparse.Namespace) -> tuple[str, str]:
    """Returns the program and what tracebacks call it."""
    if options.code is not None:
        return options.code, "<string>"
    if options.file == "-":
        data, name = sys.stdin.buffer.read(MIB + 1), "<stdin>"
    else:
        with Path(options.file).open("rb") as file:
            data, name = file.read(MIB + 1), options.file
    if len(data) > MIB:
        raise ValueError(f"{name} has more than {MIB} bytes")
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding), name


def _show(result: RunResult, error: HypercellError | None) -> None:
    """Prints what a program left: its output and its value, or its traceback."""
    _write(sys.stdout, result.stdout)
    _write(sys.stderr, result.stderr)
    # A program that leaves by sys.exit() has said what it has to say.
    if error is not None or result.exit_code is not None:
        return
    if result.error is not None:
        _write(sys.stderr, f"{result.error}\n")
    elif result.value is not None:
        start = "" if result.stdout.endswith("\n") or not result.stdout else "\n"
        _write(sys.stdout, f"{start}{result.value!r}\n")


def _show_json(result: RunResult, error: HypercellError | None) -> None:
    """Prints all there is to know about a run as one JSON object."""
    try:
        value = json.loads(json.dumps(result.value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        value = None  # JSON has fewer types than Python: `repr` has it.
    failure: dict[str, Any] | None = None
    if error is not None:
        failure = {"type": type(error).__name__, "message": str(error)}
        if isinstance(error, GuestCrashError):
            failure["report"] = error.report
    shown = {
        "value": value,
        "repr": repr(result.value),
        "stdout": result.stdout,
        "stderr": result.stderr,
        "error": None if result.error is None else vars(result.error),
        "failure": failure,
        "exit_code": result.exit_code,
        "files": [
            {"path": file.path, "size": file.size, "media_type": file.media_type}
            for file in result.files.values()
        ],
        "usage": vars(result.usage),
        "unsupported_syscalls": result.unsupported_syscalls,
    }
    _write(sys.stdout, json.dumps(shown) + "\n")


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def _doctor(_: argparse.Namespace) -> int:
    version = f"hypercell {__version__} on {platform.python_implementation()} {platform.python_version()}"
    print(f"ok    version: {version} ({sys.executable})")
    return (
        0
        if _check_machine() and _check("image", _check_image) and _check("self-test", _self_test)
        else EXIT_FAILED
    )


def _report(name: str, detail: str, *, is_ok: bool, fix: str = "") -> bool:
    print(f"{'ok  ' if is_ok else 'FAIL'}  {name}: {' '.join(detail.split())}", flush=True)
    if fix and not is_ok:
        print(f"      to do: {fix}", flush=True)
    return is_ok


def _check(name: str, work: Callable[[], str]) -> bool:
    try:
        detail = work()
    except HypercellError as error:
        # Messages of these errors end with what to do.
        return _report(name, str(error), is_ok=False)
    return _report(name, detail, is_ok=True)


def _check_machine() -> bool:
    try:
        module = native()
    except HypercellError as error:
        return _report("native module", str(error), is_ok=False)
    is_ok = True
    for check in module.preflight(cache_dir=cache_directory()):
        is_ok = _report(check["name"], check["detail"], is_ok=check["ok"], fix=check["fix"]) and is_ok
    return is_ok


def _check_image() -> str:
    started = time.perf_counter()
    image = default_image()
    taken_s = time.perf_counter() - started
    return f"Python {image.python_version}, {image.size_bytes / MIB:.0f} MiB in {image.path}, ready in {taken_s:.2f} s"


def _self_test() -> str:
    with Sandbox() as box:
        started = time.perf_counter()
        result = box.run("1 + 1")
        taken_s = time.perf_counter() - started
    if result.value != 2 or result.error is not None:
        raise HypercellError(f"1 + 1 gave {result.error or repr(result.value)}, not 2; please report this")
    return f"1 + 1 is 2 in a micro-VM, in {taken_s * 1000:.1f} ms"
