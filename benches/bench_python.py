"""Measures what a caller of hypercell waits for, from the installed package.

    python benches/bench_python.py [--cpu N] [--quick] [--json FILE] [--check] [PREFIX ...]

Cases, each only where its name begins with one of the PREFIXes:

    phase/, run/, sandbox/, tool_call/, files/, memory/, snapshot/    as `hypercell bench` has them (_bench.py)
    cpu/         CPU-bound Python in the guest as a share of native speed, measured in turns in this process
    process/     a new process from its start to its first result, beside a Python that does nothing

Prints the median and the 95th percentile of each. Making the image is never inside a timed region.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kernels import KERNELS, shares_of_native

import hypercell
from hypercell import _bench
from hypercell._bench import Report, in_ms, machine, timed

BUDGETS = Path(__file__).with_name("budgets.toml")
FIRST_RESULT = "import hypercell\nwith hypercell.Sandbox() as box:\n    assert box.run('1+1').value == 2"


def over_budget(cases: dict[str, dict[str, Any]]) -> list[str]:
    """Compares every measured case with its budget; returns one line for each that breaks it."""
    import tomllib

    broken = []
    for case, budget in tomllib.loads(BUDGETS.read_text(encoding="utf-8")).items():
        if case not in cases:
            continue
        median, unit = cases[case]["median"], cases[case]["unit"]
        if unit != budget["unit"]:
            broken.append(f"{case} is measured in {unit}, its budget is in {budget['unit']}")
        elif median > budget.get("at_most", math.inf):
            broken.append(f"{case} is {median:.3f} {unit}, more than {budget['at_most']}")
        elif median < budget.get("at_least", -math.inf):
            broken.append(f"{case} is {median:.3f} {unit}, less than {budget['at_least']}")
    return broken


def bench_cpu(report: Report, quick: bool) -> None:
    limits = hypercell.Limits(wall_time_s=120)
    medians = []
    with hypercell.Sandbox(keep_state=True, limits=limits) as box:
        for name, source in KERNELS.items():
            shares = shares_of_native(box, source, 5 if quick else 15)
            report.add(f"cpu/{name}", "of native", shares, low_is_bad=True)
            medians.append(statistics.median(shares))
    report.add("cpu/all", "of native", [statistics.geometric_mean(medians)], low_is_bad=True)


def bench_process(report: Report, quick: bool) -> None:
    repeats = 5 if quick else 30
    for case, code in (("process/first_result", FIRST_RESULT), ("process/python_alone", "pass")):
        seconds = timed(lambda code=code: subprocess.run([sys.executable, "-c", code], check=True), repeats)
        report.add(case, "ms", in_ms(seconds))


BENCHES: dict[str, Callable[[Report, bool], None]] = {
    **_bench.BENCHES,
    "cpu/": bench_cpu,
    "process/": bench_process,
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

    where = machine()
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
    broken = over_budget(report.cases) if options.check else []
    for line in broken:
        print(line, file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
