"""A gibibyte into submitted code, from a mounted file and from a server, beside native Python, in turns.

    python benches/transfer.py --cpu 0

The file is in the page cache; the server is a process of its own on 127.0.0.1. Prints medians of the turns in MB/s, and
the guest's as a share of the native ones.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from http_gate import serve

import hypercell

SIZE = 1 << 30
READ = """
import time
data = bytearray(1 << 20)
start = time.perf_counter()
with open(f'{folder}/file', 'rb', buffering=0) as file:
    while file.readinto(data):
        pass
taken_s = time.perf_counter() - start
"""
DOWNLOAD = """
import time, urllib.request
start = time.perf_counter()
with urllib.request.urlopen(url) as response:
    while response.read(1 << 20):
        pass
taken_s = time.perf_counter() - start
"""
OWN = """
import time
from hypercell_guest import http
start = time.perf_counter()
for _ in http.get(url).iter_bytes():
    pass
taken_s = time.perf_counter() - start
"""


def native(code: str, **inputs: Any) -> float:
    exec(code, inputs)
    return float(inputs["taken_s"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu", type=int, help="pin this process to a CPU; the server keeps them all")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ours.recv()}/{SIZE}"
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    limits = hypercell.Limits(
        memory_bytes=64 << 20, wall_time_s=None, file_read_bytes=1 << 40, http_response_bytes=1 << 40
    )
    with tempfile.TemporaryDirectory() as folder:
        with Path(folder, "file").open("wb") as file:
            for _ in range(SIZE >> 20):
                file.write(os.urandom(1 << 20))
        with hypercell.Sandbox(
            domains=[url], mounts=[(folder, "/work")], limits=limits, keep_state=True
        ) as box:

            def guest(code: str, **inputs: Any) -> float:
                result = box.run(f"{code}\ntaken_s", inputs=inputs)
                result.raise_for_error()
                return float(result.value)

            ways: dict[str, tuple[Callable[[], float], Callable[[], float]]] = {
                "file": (lambda: native(READ, folder=folder), lambda: guest(READ, folder="/work")),
                "urllib": (lambda: native(DOWNLOAD, url=url), lambda: guest(DOWNLOAD, url=url)),
                "hypercell_guest.http": (lambda: native(DOWNLOAD, url=url), lambda: guest(OWN, url=url)),
            }
            print(time.strftime("%Y-%m-%d"), f"load {os.getloadavg()[0]:.2f}, {options.turns} turns")
            for name, (natively, in_guest) in ways.items():
                pairs = [(natively(), in_guest()) for _ in range(options.turns + 1)][1:]  # the first warms up
                there, here = (statistics.median(column) for column in zip(*pairs, strict=True))
                ratio = statistics.median(one / other for one, other in pairs)
                print(
                    f"{name:22} native {SIZE / there / 1e6:6.0f}  guest {SIZE / here / 1e6:6.0f} MB/s  {ratio:.2f}"
                )
    server.terminate()


if __name__ == "__main__":
    main()
