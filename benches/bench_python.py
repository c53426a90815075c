"""Measures what a caller of hypercell waits for, from the installed package.

    python benches/bench_python.py [--cpu N] [--quick] [--json FILE] [--check] [PREFIX ...]

Cases, each only where its name begins with one of the PREFIXes:

    run/         one run() in a fresh VM, and in one that keeps its state
    sandbox/     making and closing a sandbox
    tool_call/   one call from guest to host and back, with small and large arguments and results
    cpu/         CPU-bound Python in the guest as a share of native speed, measured in turns in this process
    memory/      what each further live sandbox adds to this process (Pss of /proc/self/smaps_rollup)
    process/     a new process from its start to its first result, beside a Python that does nothing

Prints the median and the 95th percentile of each. Making the image is never inside a timed region.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kernels import KERNELS

import hypercell

BUDGETS = Path(__file__).with_name("budgets.toml")
FIRST_RESULT = "import hypercell\nwith hypercell.Sandbox() as box:\n    assert box.run('1+1').value == 2"
TOOL_CALLS_PER_RUN = 1000
LIVE_SANDBOXES = 50


class Report:
    """Collects the samples of each case and prints a line as soon as a case is done."""

    def __init__(self) -> None:
        self.cases: dict[str, dict[str, Any]] = {}

    def add(self, case: str, unit: str, samples: list[float], *, low_is_bad: bool = False) -> None:
        """Summarises `samples`, which are in `unit`; p95 is the 5th percentile where small values are bad."""
        ordered = sorted(samples, reverse=low_is_bad)
        p95 = ordered[min(len(ordered) - 1, math.ceil(len(ordered) * 0.95) - 1)]
        median = statistics.median(samples)
        self.cases[case] = {"unit": unit, "median": median, "p95": p95, "samples": len(samples)}
        print(f"{case:<28} {median:>10.3f} {unit:<9} p95 {p95:>10.3f}   n={len(samples)}", flush=True)

    def over_budget(self) -> list[str]:
        """Compares every measured case with its budget; returns one line for each that breaks it."""
        import tomllib

        broken = []
        for case, budget in tomllib.loads(BUDGETS.read_text(encoding="utf-8")).items():
            if case not in self.cases:
                continue
            median, unit = self.cases[case]["median"], self.cases[case]["unit"]
            if unit != budget["unit"]:
                broken.append(f"{case} is measured in {unit}, its budget is in {budget['unit']}")
            elif median > budget.get("at_most", math.inf):
                broken.append(f"{case} is {median:.3f} {unit}, more than {budget['at_most']}")
            elif median < budget.get("at_least", -math.inf):
                broken.append(f"{case} is {median:.3f} {unit}, less than {budget['at_least']}")
        return broken


def timed(action: Callable[[], object], repeats: int) -> list[float]:
    """Calls `action` once unmeasured and then `repeats` times; returns the seconds of each."""
    action()
    return [seconds_of(action) for _ in range(repeats)]


def seconds_of(action: Callable[[], object]) -> float:
    before = time.perf_counter()
    action()
    return time.perf_counter() - before


def bench_run(report: Report, quick: bool) -> None:
    repeats = 40 if quick else 300
    with hypercell.Sandbox() as box:
        report.add("run/fresh/1+1", "ms", in_ms(timed(lambda: box.run("1+1"), repeats)))
        report.add(
            "run/fresh/print_1MiB",
            "ms",
            in_ms(timed(lambda: box.run("print('x' * ((1 << 20) - 1))"), repeats)),
        )
        report.add(
            "run/fresh/import_json_re", "ms", in_ms(timed(lambda: box.run("import json, re"), repeats))
        )
    with hypercell.Sandbox(keep_state=True) as box:
        report.add("run/kept/1+1", "ms", in_ms(timed(lambda: box.run("1+1"), repeats)))


def bench_sandbox(report: Report, quick: bool) -> None:
    report.add(
        "sandbox/new_and_close", "ms", in_ms(timed(lambda: hypercell.Sandbox().close(), 20 if quick else 100))
    )


def bench_tool_call(report: Report, quick: bool) -> None:
    def echo(data: bytes) -> bytes:
        """Returns what it was given."""
        return data

    limits = hypercell.Limits(wall_time_s=120, tool_calls=10_000_000)
    with hypercell.Sandbox(tools=[echo], keep_state=True, limits=limits) as box:
        for label, size in (("64B", 64), ("64KiB", 64 << 10)):
            call_all = f"data = bytes({size})\nfor _ in range({TOOL_CALLS_PER_RUN}): echo(data=data)"
            calls = timed(lambda code=call_all: box.run(code), 5 if quick else 20)
            empty = statistics.median(timed(lambda: box.run("for _ in range(0): pass"), 20))
            report.add(f"tool_call/{label}", "us", [(s - empty) / TOOL_CALLS_PER_RUN * 1e6 for s in calls])


def bench_cpu(report: Report, quick: bool) -> None:
    limits = hypercell.Limits(wall_time_s=120)
    medians = []
    with hypercell.Sandbox(keep_state=True, limits=limits) as box:
        for name, source in KERNELS.items():
            native: dict[str, Any] = {}
            exec(source, native)
            box.run(source)
            assert box.run("work()").value == native["work"]()
            ratios = []
            for _ in range(5 if quick else 15):
                native_s = seconds_of(native["work"])
                ratios.append(native_s / seconds_of(lambda: box.run("work()")))
            report.add(f"cpu/{name}", "of native", ratios, low_is_bad=True)
            medians.append(statistics.median(ratios))
    report.add("cpu/all", "of native", [statistics.geometric_mean(medians)], low_is_bad=True)


def bench_memory(report: Report, quick: bool) -> None:
    count = 10 if quick else LIVE_SANDBOXES
    boxes = [started_sandbox() for _ in range(2)]
    pss, rss = [], []
    for _ in range(count):
        before = process_memory_mb()
        boxes.append(started_sandbox())
        after = process_memory_mb()
        pss.append(after["Pss"] - before["Pss"])
        rss.append(after["Rss"] - before["Rss"])
    for box in boxes:
        box.close()
    report.add("memory/further_sandbox", "MB", pss)
    report.add("memory/further_sandbox_rss", "MB", rss)


def started_sandbox() -> hypercell.Sandbox:
    box = hypercell.Sandbox(keep_state=True)
    box.run("1+1")
    return box


def process_memory_mb() -> dict[str, float]:
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    return {
        name: int(rest.split()[0]) * 1024 / 1e6 for name, _, rest in (line.partition(":") for line in lines)
    }


def bench_process(report: Report, quick: bool) -> None:
    repeats = 5 if quick else 30
    for case, code in (("process/first_result", FIRST_RESULT), ("process/python_alone", "pass")):
        seconds = timed(lambda code=code: subprocess.run([sys.executable, "-c", code], check=True), repeats)
        report.add(case, "ms", in_ms(seconds))


def in_ms(seconds: list[float]) -> list[float]:
    return [s * 1000 for s in seconds]


BENCHES: dict[str, Callable[[Report, bool], None]] = {
    "run/": bench_run,
    "sandbox/": bench_sandbox,
    "tool_call/": bench_tool_call,
    "cpu/": bench_cpu,
    "memory/": bench_memory,
    "process/": bench_process,
}


def machine(cpu: int | None) -> dict[str, Any]:
    """Says where the figures come from."""
    model = next(
        (
            line.partition(": ")[2]
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown",
    )
    return {
        "hypercell": hypercell.__version__,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cpu_model": model,
        "cpus": os.cpu_count(),
        "pinned_to_cpu": cpu,
    }


def main() -> int:
    """Runs the chosen cases and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cpu", type=int, help="pin everything to this CPU (not given: all CPUs)")
    parser.add_argument("--quick", action="store_true", help="few repeats")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine and figures there too")
    parser.add_argument("--check", action="store_true", help="exit with 1 where budgets.toml is broken")
    parser.add_argument(
        "prefixes", nargs="*", metavar="PREFIX", help="only these cases, such as run/ or cpu/"
    )
    options = parser.parse_args()
    if unknown := [p for p in options.prefixes if p not in BENCHES]:
        parser.error(f"unknown prefix {unknown[0]!r}; known: {' '.join(BENCHES)}")
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})

    where = machine(options.cpu)
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    hypercell.Sandbox().close()
    report = Report()
    for prefix, bench in BENCHES.items():
        if not options.prefixes or prefix in options.prefixes:
            bench(report, options.quick)
    if options.json:
        options.json.write_text(
            json.dumps({"machine": where, "cases": report.cases}, indent=2) + "\n", encoding="utf-8"
        )
    broken = report.over_budget() if options.check else []
    for line in broken:
        print(line, file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
