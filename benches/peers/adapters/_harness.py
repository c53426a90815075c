"""The part that all adapters share: takes one JSON request a line, measures, answers with one JSON object a line.

An adapter subclasses `Peer` and calls `serve`. The harness times the adapter's calls and compares every answer, the
warm-up's included, with what the program must give; a wrong answer is an error and never a sample.

Requests:   {"do": "describe"}
            {"do": "measure", "work": NAME, "repeats": N, "budget_s": S}
            {"do": "memory", "count": N}
Answers:    {"samples": [...]} in seconds or bytes, {"unsupported": REASON} or {"error": TEXT}
"""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from _work import ONE_PLUS_ONE, Counter, Program, programs

# What a run returns: the value of the answer and what was printed; None where a peer swallows what is printed.
Outcome = tuple[Any, str | None]
Run = Callable[[], Outcome]

# The wait before a paced sample: long enough for any of the peers to prepare its next sandbox.
PAUSE_S = 0.03
# How many runs make one back-to-back sample: its mean includes what a peer does behind the caller's back.
BATCH = 20
# How many live sandboxes the measuring of memory starts from, so that what all share is not counted.
BASE_SANDBOXES = 2
MARK = 41
STARTS = {
    "new/paced": (True, 1),
    "new/back_to_back": (True, BATCH),
    "ready/paced": (False, 1),
    "ready/back_to_back": (False, BATCH),
}
PROGRAMS = programs()

_runs: dict[str, Run] = {}


class NotSupportedError(Exception):
    """Raised by an adapter: the peer has no way to do this work."""


class Peer:
    """What an adapter must say and do."""

    name = ""
    isolation = ""
    language = ""
    new_is = ""
    ready_is = ""

    def __init__(self) -> None:
        # Closes, at the end of the process, what `ready` and `keep` opened.
        self.stack = ExitStack()

    def version(self) -> str:
        """Returns the version of the peer that runs, asked of the peer itself."""
        raise NotImplementedError

    def run_new(self, program: Program) -> Outcome:
        """Makes a sandbox from nothing, runs the program and ends the sandbox."""
        raise NotImplementedError

    def ready(self, program: Program) -> Run:
        """Prepares all that the peer's API can prepare; the result runs the program in fresh state each time."""
        del program
        raise NotSupportedError("nothing can be prepared: each start is a new one")

    def keep(self) -> Callable[[str], Any]:
        """Opens a sandbox that sets `mark = MARK` and keeps its state; the result evaluates an expression in it."""
        raise NotImplementedError


def serve(peer: Peer) -> None:
    """Answers requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # What a peer's native code prints must not end up between the answers.
    os.dup2(2, 1)
    with peer.stack:
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = handle(peer, request)
            except NotSupportedError as error:
                answer = {"unsupported": str(error)}
            except Exception as error:
                answer = {"error": one_line(error)}
            print(json.dumps(answer), file=answers, flush=True)


def handle(peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
    if request["do"] == "describe":
        return describe(peer)
    if request["do"] == "memory":
        return {"samples": [further_sandbox_bytes(peer, request["count"])]}
    work = request["work"]
    if work in STARTS:
        is_new, batch = STARTS[work]
        run = (lambda: peer.run_new(ONE_PLUS_ONE)) if is_new else prepared_run(peer, "one_plus_one")
        return {"samples": paced_samples(run, ONE_PLUS_ONE, batch, request["repeats"], request["budget_s"])}
    run = fresh_run(peer, work)
    return {"samples": paced_samples(run, PROGRAMS[work], 1, request["repeats"], request["budget_s"])}


def describe(peer: Peer) -> dict[str, Any]:
    """Says what the peer is and proves that it starts: the first run is part of it."""
    facts = {key: getattr(peer, key) for key in ("name", "isolation", "language", "new_is", "ready_is")}
    try:
        facts["version"] = peer.version()
        began = time.perf_counter()
        checked(lambda: peer.run_new(ONE_PLUS_ONE), ONE_PLUS_ONE)
        facts["first_run_s"] = time.perf_counter() - began
    except Exception as error:
        facts["error"] = one_line(error)
    return facts


def prepared_run(peer: Peer, work: str) -> Run:
    """Returns a run that the peer prepared for and that was tried once; the same one in every round."""
    if work not in _runs:
        run = peer.ready(PROGRAMS[work])
        checked(run, PROGRAMS[work])
        _runs[work] = run
    return _runs[work]


def fresh_run(peer: Peer, work: str) -> Run:
    """Returns the peer's fastest way to run the program in fresh state."""
    try:
        return prepared_run(peer, work)
    except NotSupportedError:
        return lambda: peer.run_new(PROGRAMS[work])


def paced_samples(run: Run, program: Program, batch: int, repeats: int, budget_s: float) -> list[float]:
    """Times runs after a pause each; a sample of a batch is the mean of runs that follow each other without one."""
    samples: list[float] = []
    until = time.monotonic() + budget_s
    while not samples or (len(samples) < repeats and time.monotonic() < until):
        time.sleep(PAUSE_S)
        samples.append(sum(checked(run, program) for _ in range(batch)) / batch)
    return samples


def checked(run: Run, program: Program) -> float:
    """Runs once and returns the seconds; raises where value, output or the number of tool calls is wrong."""
    Counter.calls = 0
    before = time.perf_counter()
    value, stdout = run()
    seconds = time.perf_counter() - before
    if value != program.expected:
        raise AssertionError(f"the answer is {str(value)[:200]}, not {str(program.expected)[:200]}")
    if stdout != program.stdout:
        raise AssertionError(f"the output is {stdout!r:.200}, not {program.stdout!r:.200}")
    if Counter.calls != program.tool_calls:
        raise AssertionError(f"{Counter.calls} tool calls reached the host, not {program.tool_calls}")
    return seconds


def further_sandbox_bytes(peer: Peer, count: int) -> float:
    """Returns the PSS that each further live sandbox adds, to this process and its children, with `count` alive."""
    boxes = [peer.keep() for _ in range(BASE_SANDBOXES)]
    before = tree_pss_bytes()
    boxes += [peer.keep() for _ in range(count - BASE_SANDBOXES)]
    after = tree_pss_bytes()
    # They are alive, each with its own state.
    for number, evaluate in enumerate(boxes):
        if evaluate("mark + 1") != MARK + 1:
            raise AssertionError(f"live sandbox {number} lost its state")
    return (after - before) / (count - BASE_SANDBOXES)


def tree_pss_bytes() -> int:
    """Returns the proportional set size of this process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    total, waiting = 0, [os.getpid()]
    while waiting:
        process = waiting.pop()
        waiting += children.get(process, [])
        try:
            text = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    return total


def one_line(error: BaseException) -> str:
    """Returns the error as one line of readable length: a traceback's last line says most."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines and lines[0].startswith("Traceback") else " ".join(lines)
    return f"{type(error).__name__}: {text}"[:400]
