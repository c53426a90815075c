"""Measures hypercell and its peers at the same work, in the same run and in turns.

    python benches/peers/run.py [--peers a,b] [--quick] [--cpu N] [--json FILE] [--write-docs] [--wheel FILE]

Each peer is installed from its own public package into a virtual environment under target/peers, where an adapter
(adapters/peer_NAME.py) runs the work and checks every answer. Prints a line for each peer and work. With
--write-docs, docs/peers.md and docs/peers.svg are made from the figures; --from FILE makes them from earlier ones.
"""

import argparse
import json
import math
import os
import platform
import select
import statistics
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any

import page
from peers import ADAPTERS, HYPERCELL, PEERS, TARGET, InstallError, installed, newest_wheel

# The first start of an adapter may compile an interpreter of 100 MB to machine code.
DESCRIBE_LIMIT_S = 900
ANSWER_LIMIT_S = 300
LIVE_SANDBOXES = 100
MEMORY = "memory"


@dataclass(frozen=True)
class Effort:
    """How much is measured: `repeats` a round where starts take `start_repeats`, and seconds a round at most."""

    rounds: int
    repeats: int
    start_repeats: int
    budget_s: float


FULL = Effort(rounds=6, repeats=4, start_repeats=12, budget_s=2.0)
QUICK = Effort(rounds=2, repeats=2, start_repeats=4, budget_s=1.0)


class AdapterError(Exception):
    """An adapter gave no answer."""


class Adapter:
    """A peer's adapter, running in the peer's environment and answering one request at a time."""

    def __init__(self, name: str, python: Path) -> None:
        folder = TARGET / name
        environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
        self._log = (folder / "log.txt").open("a", encoding="utf-8")
        self._process = subprocess.Popen(
            [str(python), str(ADAPTERS / f"peer_{name}.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            bufsize=0,
        )

    def ask(self, limit_s: float = ANSWER_LIMIT_S, **request: Any) -> dict[str, Any]:
        """Sends a request and returns the answer; raises where none comes within `limit_s`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            raise AdapterError(self._end()) from None
        if not select.select([self._process.stdout], [], [], limit_s)[0]:
            self._process.kill()
            raise AdapterError(f"no answer within {limit_s:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise AdapterError(self._end())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end(self) -> str:
        status = self._process.wait()
        lines = Path(self._log.name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"ended with status {status}: {lines[-1] if lines else 'no message'}"

    def __enter__(self) -> "Adapter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


def install(names: list[str], wheel: Path | None) -> tuple[dict[str, Path], dict[str, str]]:
    """Returns the interpreters of the peers that can be installed, and why the others cannot."""
    pythons, failures = {}, {}
    for name in names:
        print(f"installing {name}", file=sys.stderr, flush=True)
        (TARGET / name / "log.txt").unlink(missing_ok=True)
        try:
            given = (wheel or newest_wheel()) if name == HYPERCELL else None
            pythons[name] = installed(name, PEERS[name], given)
        except InstallError as error:
            failures[name] = str(error)
    return pythons, failures


def measure(pythons: dict[str, Path], effort: Effort) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns what the peers say about themselves, and for each work each peer's samples or why there are none."""
    facts: dict[str, Any] = {}
    results: dict[str, Any] = {work: {} for work in page.WORKS}
    with ExitStack() as stack:
        adapters = {}
        for name, python in pythons.items():
            adapter = stack.enter_context(Adapter(name, python))
            facts[name] = described(adapter)
            if "error" not in facts[name]:
                adapters[name] = adapter
        for work in page.WORKS:
            if work != MEMORY:
                measure_in_turns(work, adapters, effort, results[work])
    # Each alone and new: nothing that the work before left behind, and no other peer's pages, is counted.
    for name in adapters:
        with Adapter(name, pythons[name]) as adapter:
            adapter.ask(DESCRIBE_LIMIT_S, do="describe")
            results[MEMORY][name] = asked(adapter, do="memory", count=LIVE_SANDBOXES)
            show(MEMORY, name, results[MEMORY][name])
    return facts, results


def described(adapter: Adapter) -> dict[str, Any]:
    try:
        return adapter.ask(DESCRIBE_LIMIT_S, do="describe")
    except AdapterError as error:
        return {"error": str(error)}


def asked(adapter: Adapter, **request: Any) -> dict[str, Any]:
    try:
        return adapter.ask(**request)
    except AdapterError as error:
        return {"error": str(error)}


def measure_in_turns(work: str, adapters: dict[str, Adapter], effort: Effort, into: dict[str, Any]) -> None:
    """Measures one work in rounds, in each every peer once, every second round in the other direction."""
    repeats = effort.start_repeats if "paced" in work else effort.repeats
    order = list(adapters)
    for turn in range(effort.rounds):
        for name in order if turn % 2 == 0 else reversed(order):
            so_far = into.setdefault(name, {"samples": []})
            if "samples" not in so_far:
                continue
            answer = asked(adapters[name], do="measure", work=work, repeats=repeats, budget_s=effort.budget_s)
            if "samples" in answer:
                so_far["samples"] += answer["samples"]
            else:
                into[name] = answer
    for name in order:
        show(work, name, into[name])


def show(work: str, name: str, result: dict[str, Any]) -> None:
    if "samples" in result:
        median, p95 = summary(result["samples"])
        unit, scale = ("MB", 1e-6) if work == MEMORY else ("ms", 1e3)
        text = f"{median * scale:>10.3f} {unit} p95 {p95 * scale:>10.3f}   n={len(result['samples'])}"
    else:
        text = next(iter(result.values()))
    print(f"{work:<19} {name:<24} {text}", flush=True)


def summary(samples: list[float]) -> tuple[float, float]:
    """Returns median and 95th percentile."""
    ordered = sorted(samples)
    return statistics.median(ordered), ordered[max(0, math.ceil(len(ordered) * 0.95) - 1)]


def machine(cpu: int) -> dict[str, Any]:
    """Says where the figures come from, and no name of it."""
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "cpu_model": models[0].partition(": ")[2] if models else "unknown",
        "cpus": os.cpu_count(),
        "memory_gib": round(memory_kib / 2**20),
        "kernel": ".".join(platform.release().split(".")[:2]),
        "python": platform.python_version(),
        "pinned_to_cpu": cpu,
        "load_before": round(os.getloadavg()[0], 2),
        "date": date.today().isoformat(),
    }


def main() -> int:
    """Runs what is asked for and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", default=",".join(PEERS), metavar="A,B", help="only these peers")
    parser.add_argument("--quick", action="store_true", help="few repeats")
    parser.add_argument("--cpu", type=int, default=0, help="pin everything to this CPU (default 0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine, peers and samples there")
    parser.add_argument("--write-docs", action="store_true", help="write docs/peers.md and docs/peers.svg")
    parser.add_argument(
        "--wheel", type=Path, metavar="FILE", help="hypercell's wheel (default: newest of dist/)"
    )
    parser.add_argument(
        "--from",
        type=Path,
        metavar="FILE",
        dest="earlier",
        help="measure nothing; take the figures of --json",
    )
    options = parser.parse_args()
    names = options.peers.split(",")
    if unknown := [name for name in names if name not in PEERS]:
        parser.error(f"unknown peer {unknown[0]!r}; known: {' '.join(PEERS)}")

    if options.earlier:
        report = json.loads(options.earlier.read_text(encoding="utf-8"))
    else:
        where = machine(options.cpu)
        pythons, failures = install(names, options.wheel)
        os.sched_setaffinity(0, {options.cpu})
        facts, results = measure(pythons, QUICK if options.quick else FULL)
        facts |= {name: {"error": reason} for name, reason in failures.items()}
        for name in facts:
            facts[name].setdefault("name", PEERS[name].title)
            if "error" in facts[name]:
                print(f"{name}: {facts[name]['error']}")
        report = {"machine": where, "peers": facts, "results": results, "quick": options.quick}
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if options.write_docs:
        page.write(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
