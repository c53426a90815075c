"""Fresh runs a second: threads, processes and pools, on all processors that this may use.

    python benches/throughput.py            # seconds of each case: --seconds 5

Before: nobody. After: the installed package.
"""

import argparse
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import hypercell


def count_runs(seconds: float, threads: int, **options: object) -> float:
    """Returns the runs a second that threads make together, each with a sandbox of its own."""
    counts = [0] * threads
    start = threading.Barrier(threads + 1)

    def work(number: int) -> None:
        with hypercell.Sandbox(**options) as box:  # type: ignore[arg-type]
            box.run("1+1")
            start.wait()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                box.run("1+1")
                counts[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    start.wait()
    for worker in workers:
        worker.join()
    return sum(counts) / seconds


def count_in_processes(seconds: float, cpus: list[int]) -> float:
    """Returns the runs a second of processes, each pinned to one processor."""
    command = [sys.executable, str(Path(__file__)), "--seconds", str(seconds), "--alone"]
    started = [subprocess.Popen([*command, str(cpu)], stdout=subprocess.PIPE, text=True) for cpu in cpus]
    return sum(float(process.communicate()[0]) for process in started)


def main() -> None:
    """Prints a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument(
        "--alone", type=int, metavar="CPU", help="only one thread without a pool, on this CPU"
    )
    arguments = parser.parse_args()
    seconds, cpus = arguments.seconds, sorted(os.sched_getaffinity(0))
    if arguments.alone is not None:
        os.sched_setaffinity(0, {arguments.alone})
        print(count_runs(seconds, 1, prepared=0))
        return
    print(f"{count_in_processes(seconds, cpus[:1]):8.0f}  one thread, no pool, CPU {cpus[0]}")
    print(f"{count_runs(seconds, 2, prepared=0):8.0f}  two threads, no pool")
    print(f"{count_in_processes(seconds, cpus[:2]):8.0f}  two processes on a CPU each, no pool")
    for threads in (1, 2):
        with hypercell.Pool(prepared=4, max_prepared=4) as pool:
            pool.wait_ready()
            print(f"{count_runs(seconds, threads, pool=pool):8.0f}  {threads} on a pool of 4")


if __name__ == "__main__":
    main()
