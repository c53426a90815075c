"""What a request through the network gate costs, beside the same request of native Python, in turns.

    python benches/http_gate.py --cpu 0

A server in a process of its own answers on 127.0.0.1; every request has a connection of its own. Prints medians of the
turns: microseconds of a small GET, and MB/s of a download.
"""

from __future__ import annotations

import argparse
import http.server
import multiprocessing
import os
import statistics
import textwrap
import time
from multiprocessing.connection import Connection
from typing import Any

import hypercell

SMALL, LARGE = 100, 16 << 20
URLLIB = """
import time, urllib.request
start = time.perf_counter()
for _ in range(count):
    with urllib.request.urlopen(url) as response:
        while response.read(1 << 20):
            pass
(time.perf_counter() - start) / count
"""
OWN = """
import time
from hypercell_guest import http
start = time.perf_counter()
for _ in range(count):
    for _ in http.get(url).iter_bytes():
        pass
(time.perf_counter() - start) / count
"""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        size = int(self.path[1:])
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))

    def log_message(self, *_: Any) -> None:
        pass


def serve(pipe: Connection) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pipe.send(server.server_port)
    server.serve_forever()


def native(code: str, url: str, count: int) -> float:
    space: dict[str, Any] = {"url": url, "count": count}
    lines = textwrap.dedent(code).strip().split("\n")
    exec("\n".join(lines[:-1]), space)
    return float(eval(lines[-1], space))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu", type=int, help="pin this process to a CPU; the server keeps them all")
    parser.add_argument("--turns", type=int, default=15)
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ours.recv()}"
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    limits = hypercell.Limits(wall_time_s=None, http_requests=1 << 30, http_response_bytes=1 << 40)
    with hypercell.Sandbox(domains=[url], limits=limits, keep_state=True) as box:

        def guest(code: str, url: str, count: int) -> float:
            result = box.run(code, inputs={"url": url, "count": count})
            result.raise_for_error()
            return float(result.value)

        ways = {
            "urllib, native": lambda *arguments: native(URLLIB, *arguments),
            "urllib, in the guest": lambda *arguments: guest(URLLIB, *arguments),
            "hypercell_guest.http": lambda *arguments: guest(OWN, *arguments),
        }
        times: dict[tuple[str, int], list[float]] = {}
        for turn in range(options.turns + 1):
            for name, way in ways.items():
                for size, count in ((SMALL, 50), (LARGE, 2)):
                    taken = way(f"{url}/{size}", count)
                    if turn:  # the first warms up
                        times.setdefault((name, size), []).append(taken)
    print(time.strftime("%Y-%m-%d"), f"load {os.getloadavg()[0]:.2f}, {options.turns} turns")
    for name in ways:
        small, large = (statistics.median(times[name, size]) for size in (SMALL, LARGE))
        print(f"{name:22} {small * 1e6:8.0f} us a request {LARGE / large / 1e6:8.0f} MB/s")
    server.terminate()


if __name__ == "__main__":
    main()
