"""The programs of tests/programs: their headers, and how each one ends on a native interpreter.

Those whose names begin with `escape_` are not among them: they must not run natively. See `escapes.py`.

A program begins with one comment sentence and then, each on a line of its own, the headers that apply:

    # requires: 3.12           the Python version from which the program runs; older ones skip it
    # raises: KeyError         the exception that ends it; without this header it must end with a value
    # exits: 3                 the status, where the exception is SystemExit
    # differs: stdout, value   what is not compared with the guest, and
    # limitation: threads.md   the file of docs/limitations that says why

    python tests/corpus.py [PYTHON ...]    runs each program twice on each interpreter, reports what differs
"""

import dataclasses
import os
import pickle
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"
RUNNER = Path(__file__).parent / "native_runner.py"
LIMITATIONS = Path(__file__).parent.parent / "docs" / "limitations"
SUITES = ("syntax", "lib", "fs", "time", "err", "text", "num", "proc", "limit", "thread")
ESCAPE_PREFIX = "escape_"
HEADERS = ("requires", "raises", "exits", "differs", "limitation")
FIELDS = ("stdout", "stderr", "value", "error")
NATIVE_TIMEOUT_S = 60


class CorpusError(Exception):
    """A program that the suite cannot use: a wrong name, header or ending."""


@dataclasses.dataclass(frozen=True)
class Program:
    """One file of tests/programs with its headers read."""

    path: Path
    source: str
    requires: tuple[int, ...]
    raises: str | None
    exits: int | None
    differs: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.stem


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a program ended: what it printed, its value or its error."""

    stdout: str
    stderr: str
    value: object
    error: dict[str, object] | None
    exit_code: int | None

    def portrait(self) -> dict[str, object]:
        """Every compared field in a form that tells 1 from True and finds nan equal to nan."""
        return {
            "stdout": self.stdout,
            "stderr": self.stderr,
            "value": canonical(self.value),
            "error": self.error,
            "exit_code": self.exit_code,
        }


def load_all() -> list[Program]:
    """Reads every program but the escapes; raises CorpusError for the first file that does not fit."""
    paths = [path for path in sorted(PROGRAMS.iterdir()) if path.name != "__pycache__"]
    return [load(path) for path in paths if not path.name.startswith(ESCAPE_PREFIX)]


def load(path: Path) -> Program:
    suite = path.stem.partition("_")[0]
    if path.suffix != ".py" or suite not in SUITES:
        raise CorpusError(f"{path.name}: unknown prefix {suite!r}; known: {', '.join(SUITES)}")
    source = path.read_text(encoding="utf-8")
    headers = _headers(path.name, source)
    if ("differs" in headers) != ("limitation" in headers):
        raise CorpusError(f"{path.name}: differs and limitation belong together")
    if "limitation" in headers and not (LIMITATIONS / headers["limitation"]).is_file():
        raise CorpusError(f"{path.name}: no file docs/limitations/{headers['limitation']}")
    differs = tuple(re.split(r",\s*", headers["differs"])) if "differs" in headers else ()
    if unknown := set(differs) - set(FIELDS):
        raise CorpusError(f"{path.name}: unknown field {', '.join(sorted(unknown))} in differs")
    return Program(
        path=path,
        source=source,
        requires=tuple(int(part) for part in headers.get("requires", "3.10").split(".")),
        raises=headers.get("raises"),
        exits=int(headers["exits"]) if "exits" in headers else None,
        differs=differs,
    )


def _headers(name: str, source: str) -> dict[str, str]:
    lines = source.splitlines()
    if not lines or not re.fullmatch(r"# \S.*\.", lines[0]):
        raise CorpusError(f"{name}: the first line is not a comment sentence")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        match = re.fullmatch(r"# ([a-z]+): (.+)", line)
        if match is None:
            break
        if match[1] not in HEADERS or match[1] in headers:
            raise CorpusError(f"{name}: unknown or repeated header {match[1]!r}; known: {', '.join(HEADERS)}")
        headers[match[1]] = match[2].strip()
    return headers


def run_native(program: Program, python: str = sys.executable) -> Outcome:
    """Runs `program` on `python`, in a process and a folder of its own, in the guest's environment."""
    with tempfile.TemporaryDirectory() as folder:
        record_file = Path(folder, "record")
        home = Path(folder, "home")
        home.mkdir()
        process = subprocess.run(
            [python, "-s", str(RUNNER), str(program.path), str(record_file)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=home,
            env={
                "HOME": str(home),
                "TMPDIR": str(home),
                "LANG": "C.UTF-8",
                "TZ": "UTC",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PATH": os.defpath,
            },
            timeout=NATIVE_TIMEOUT_S,
        )
        stderr = process.stderr.decode("utf-8", "replace")
        if process.returncode != 0:
            raise CorpusError(
                f"{program.name}: the native runner ended with {process.returncode}: {stderr[-500:]}"
            )
        record = pickle.loads(record_file.read_bytes())
    return Outcome(stdout=process.stdout.decode("utf-8", "replace"), stderr=stderr, **record)


def check_ending(program: Program, outcome: Outcome) -> None:
    """Holds the native outcome against the headers; raises CorpusError where they disagree."""
    raised = outcome.error["type"] if outcome.error else None
    if raised != program.raises:
        detail = f": {outcome.error['traceback']}" if outcome.error else ""
        raise CorpusError(f"{program.name}: ended with {raised}, its header says {program.raises}{detail}")
    if outcome.exit_code != program.exits:
        raise CorpusError(f"{program.name}: exit status {outcome.exit_code}, its header says {program.exits}")
    if program.raises is None and outcome.value is None:
        raise CorpusError(f"{program.name}: ends without a value")


def canonical(value: object) -> str:
    """A text that is equal for equal values of equal types, whatever the order of sets and keys."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{canonical(k)}: {canonical(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (set, frozenset)):
        return type(value).__name__ + "{" + ", ".join(sorted(canonical(item) for item in value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(canonical(item) for item in value) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(canonical(item) for item in value) + ")"
    return f"{type(value).__name__} {value!r}" if type(value) not in (int, float, str) else repr(value)


def _compare(pythons: list[str]) -> int:
    programs, problems = load_all(), 0
    for python in pythons:
        version = subprocess.check_output(
            [python, "-c", "import sys; print(*sys.version_info[:2])"], text=True
        )
        here = tuple(int(part) for part in version.split())
        ran = 0
        for program in programs:
            if here < program.requires:
                continue
            ran += 1
            try:
                first, second = run_native(program, python), run_native(program, python)
                check_ending(program, first)
                if first.portrait() != second.portrait():
                    fields = [k for k, v in first.portrait().items() if v != second.portrait()[k]]
                    raise CorpusError(f"{program.name}: two runs differ in {', '.join(fields)}")
            except (CorpusError, subprocess.TimeoutExpired) as error:
                problems += 1
                print(f"{python}: {error}")
        print(f"{python}: {ran} programs")
    return problems


if __name__ == "__main__":
    sys.exit(1 if _compare(sys.argv[1:] or [sys.executable]) else 0)
