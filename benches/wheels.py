"""Runs small programs with two or more builds of hypercell in turns, and compares what fresh VMs cost.

    pip install --no-deps --target OLD old.whl && pip install --no-deps --target NEW new.whl
    python benches/wheels.py OLD NEW [--cpu N] [--repeats N] [--programs NAME,NAME]

numpy and pandas must be installed. Each build has a process of its own, and the builds take turns sample by sample, so
that what else the machine does harms all alike. Processor time of the process, the VM's included, says more than wall
time where the machine is busy.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IMPORT = "import pandas as pd\n"
WITH_PANDAS = {
    "import": IMPORT,
    "groupby": IMPORT
    + "frame = pd.DataFrame({'shop': ['north', 'south', 'east'] * 100, 'price': range(300)})\n"
    + "frame.groupby('shop')['price'].sum().to_dict()",
    "mean": IMPORT
    + "frame = pd.DataFrame({'a': [1, 2, 3], 'b': [4.0, 5.0, 6.0]})\n"
    + "frame['c'] = frame.a * 2 + frame.b\nfloat(frame.c.mean())",
    "csv": IMPORT
    + "import io\ntext = 'day,n\\n2024-01-01,3\\n2024-01-02,5\\n'\n"
    + "frame = pd.read_csv(io.StringIO(text), parse_dates=['day'])\n"
    + "print(frame.set_index('day').resample('D').sum())",
    "pivot": IMPORT
    + "frame = pd.DataFrame({'r': list('aabb'), 'c': list('xyxy'), 'v': [1, 2, 3, 4]})\n"
    + "frame.pivot_table(index='r', columns='c', values='v', aggfunc='sum').to_dict()",
    "join": IMPORT
    + "left = pd.DataFrame({'k': [1, 2, 3], 'x': [1.0, 2.0, 3.0]})\n"
    + "right = pd.DataFrame({'k': [2, 3, 4], 'y': list('abc')})\n"
    + "print(left.merge(right, on='k', how='left').fillna('none').sort_values('x', ascending=False))",
}
PLAIN = {
    "1+1": "1+1",
    "print": "print('hello')",
    "orders": "totals = {}\n"
    + "for order in [{'price': n * 1.5, 'kind': n % 3} for n in range(30)]:\n"
    + "    totals[order['kind']] = totals.get(order['kind'], 0) + order['price']\n"
    + "print(totals, sorted(totals.items(), key=lambda item: -item[1]))",
}
PROGRAMS = {**WITH_PANDAS, **PLAIN}
MEMORY_BYTES = 512 << 20


def serve() -> None:
    """Answers each name of a program on standard input with what a fresh run of it took, as JSON."""
    import hypercell  # of the build that PYTHONPATH names

    warm = ["numpy", "pandas"]
    image = hypercell.Image.from_environment(warm, warm=warm, memory_bytes=MEMORY_BYTES)
    limits = hypercell.Limits(memory_bytes=MEMORY_BYTES)
    with (
        hypercell.Sandbox(prepared=0) as plain,
        hypercell.Sandbox(image=image, prepared=0, limits=limits) as pandas,
    ):
        for line in sys.stdin:
            name = line.strip()
            box = plain if name in PLAIN else pandas
            started, used = time.perf_counter(), time.process_time()
            result = box.run(PROGRAMS[name])
            used, wall = time.process_time() - used, time.perf_counter() - started
            result.raise_for_error()
            usage = result.usage
            print(json.dumps([used, wall, usage.page_faults, usage.memory_peak_bytes / 4096]), flush=True)


def ask(process: subprocess.Popen[str], name: str) -> list[float]:
    """Runs a program with one build."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(name + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def main() -> None:
    """Runs what the arguments say and prints a line for each program and build."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("builds", nargs="+", type=Path, metavar="BUILD", help="directory with a build")
    parser.add_argument("--cpu", type=int, default=0, help="pin everything to this CPU (default: 0)")
    parser.add_argument("--repeats", type=int, default=50, help="samples of each (default: 50)")
    parser.add_argument("--programs", default=",".join(PROGRAMS), help="names (default: all)")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.cpu})
    with tempfile.TemporaryDirectory() as caches:
        processes = {}
        for number, build in enumerate(options.builds):
            paths = {"PYTHONPATH": str(build.resolve()), "HYPERCELL_CACHE_DIR": f"{caches}/{number}"}
            processes[build] = subprocess.Popen(
                [sys.executable, __file__, "--serve"],
                env={**os.environ, **paths},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        for name in options.programs.split(","):
            samples: dict[Path, list[list[float]]] = {build: [] for build in processes}
            for turn in range(options.repeats + 2):
                for build in list(processes)[:: 1 if turn % 2 else -1]:
                    samples[build].append(ask(processes[build], name))
            for build, rows in samples.items():
                used, wall, faults, pages = zip(*rows[2:], strict=True)
                print(
                    f"{name:<8} {build.name:<8} processor {statistics.median(used) * 1e3:6.2f} ms, "
                    f"least {min(used) * 1e3:6.2f}; wall {statistics.median(wall) * 1e3:6.2f}, "
                    f"least {min(wall) * 1e3:6.2f}; {statistics.median(faults):.0f} faults, "
                    f"{statistics.median(pages):.0f} pages",
                    flush=True,
                )
        for process in processes.values():
            process.communicate()


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        main()
