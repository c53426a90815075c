"""`hypercell bench`: what a start, a run, a tool call and a live VM cost on this machine.

Every case is measured through the public API, but for `phase/`, which takes one VM through the steps of a start. Making
the image is never inside a timed region. Samples are kept as medians and percentiles; nothing is asserted here.

Before: `_cli`, benches/bench_python.py. After: `_sandbox`, `_pool`, the native probe.
"""

from __future__ import annotations

import math
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from ._image import default_image, native
from ._limits import Limits
from ._mounts import Mount
from ._pool import Pool
from ._sandbox import Sandbox
from ._snapshot import Snapshot
from ._version import __version__

PERCENTILES = (50, 90, 95, 99)
_TOOL_CALLS_PER_RUN = 1000
_OUTPUT_BYTES = (1 << 20) - 1
_ROW_PX, _LABEL_PX, _BAR_PX = 20, 230, 420


class Report:
    """Collects the samples of each case and prints a line as soon as a case is done."""

    def __init__(self, show: Callable[[str], object] = print) -> None:
        """Prints with `show`."""
        self.cases: dict[str, dict[str, Any]] = {}
        self._show = show

    def add(self, case: str, unit: str, samples: list[float], *, low_is_bad: bool = False) -> None:
        """Summarises samples.

        Args:
            case: Name of the case, such as `"run/prepared/1+1"`.
            unit: What the samples are in.
            samples: At least one.
            low_is_bad: Whether small values are the bad ones; percentiles are then counted from the top.
        """
        ordered = sorted(samples, reverse=low_is_bad)
        figures = {f"p{share}": _percentile(ordered, share) for share in PERCENTILES}
        median = statistics.median(samples)
        self.cases[case] = {"unit": unit, "median": median, **figures, "samples": len(samples)}
        p95 = figures["p95"]
        self._show(f"{case:<28} {median:>10.3f} {unit:<9} p95 {p95:>10.3f}   n={len(samples)}")


def _percentile(ordered: list[float], share: int) -> float:
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * share / 100) - 1)]


def seconds_of(action: Callable[[], object]) -> float:
    """Returns the seconds that one call takes."""
    before = time.perf_counter()
    action()
    return time.perf_counter() - before


def timed(action: Callable[[], object], repeats: int) -> list[float]:
    """Calls `action` once unmeasured and then `repeats` times; returns the seconds of each."""
    action()
    return [seconds_of(action) for _ in range(repeats)]


def in_ms(seconds: list[float]) -> list[float]:
    """Converts seconds."""
    return [s * 1000 for s in seconds]


def bench_phases(report: Report, quick: bool) -> None:
    """Takes a VM through create, enter, first run, second run, restore, enter, run, drop."""
    probe = native().Probe(default_image()._native)
    steps = (
        ("create_vm", probe.create),
        ("first_entry", probe.enter),
        ("first_run", probe.run),
        ("second_run", probe.run),
        ("restore", probe.restore),
        ("restored_entry", probe.enter),
        ("restored_run", probe.run),
        ("drop", probe.discard),
    )
    samples: dict[str, list[float]] = {name: [] for name, _ in steps}
    for _ in range(20 if quick else 100):
        for name, step in steps:
            samples[name].append(step())
    for name, seconds in samples.items():
        report.add(f"phase/{name}", "ms", in_ms(seconds))


def bench_run(report: Report, quick: bool) -> None:
    """Measures runs in prepared, unprepared and kept VMs, and bursts that outrun the pool."""
    repeats = 40 if quick else 300
    with Pool(prepared=2, max_prepared=2) as pool, Sandbox(pool=pool) as box:
        for label, code in (("1+1", "1+1"), ("print", "print('hello')")):
            report.add(f"run/prepared/{label}", "ms", in_ms(_timed_when_ready(pool, box, code, repeats)))
        report.add("run/back_to_back/1+1", "ms", in_ms(timed(lambda: box.run("1+1"), repeats)))
    with Sandbox(prepared=0) as box:
        report.add("run/fresh/1+1", "ms", in_ms(timed(lambda: box.run("1+1"), repeats)))
        code = f"print('x' * {_OUTPUT_BYTES})"
        report.add("run/fresh/print_1MiB", "ms", in_ms(timed(lambda: box.run(code), repeats // 2)))
        report.add(
            "run/fresh/import_json_re", "ms", in_ms(timed(lambda: box.run("import json, re"), repeats))
        )
    with Sandbox(keep_state=True) as box:
        report.add("run/kept/1+1", "ms", in_ms(timed(lambda: box.run("1+1"), repeats)))


def _timed_when_ready(pool: Pool, box: Sandbox, code: str, repeats: int) -> list[float]:
    box.run(code)
    seconds = []
    for _ in range(repeats):
        pool.wait_ready()
        seconds.append(seconds_of(lambda: box.run(code)))
    return seconds


def bench_sandbox(report: Report, quick: bool) -> None:
    """Measures a sandbox that is made for one run, with the pool of its image and without."""

    def use_once(**options: Any) -> None:
        with Sandbox(**options) as box:
            box.run("1+1")

    repeats = 20 if quick else 100
    report.add("sandbox/one_run", "ms", in_ms(timed(use_once, repeats)))
    report.add("sandbox/one_run_unprepared", "ms", in_ms(timed(lambda: use_once(prepared=0), repeats)))


def bench_tool_call(report: Report, quick: bool) -> None:
    """Measures a call from guest to host and back, by the size of argument and result."""

    def echo(data: bytes) -> bytes:
        """Returns what it was given."""
        return data

    sizes = (("64B", 64, 1), ("64KiB", 64 << 10, 4), ("1MiB", (1 << 20) - 64, 40))
    limits = Limits(wall_time_s=120, tool_calls=10_000_000)
    with Sandbox([echo], keep_state=True, limits=limits) as box:
        empty = statistics.median(timed(lambda: box.run("for _ in range(0): pass"), 20))
        for label, size, share in sizes:
            calls = _TOOL_CALLS_PER_RUN // share
            code = f"data = bytes({size})\nfor _ in range({calls}): echo(data=data)"
            seconds = timed(lambda code=code: box.run(code), 5 if quick else 20)  # type: ignore[misc]
            report.add(f"tool_call/{label}", "us", [(s - empty) / calls * 1e6 for s in seconds])


def bench_memory(report: Report, quick: bool) -> None:
    """Measures what each further live VM adds to this process, as Linux counts it (Pss in proc(5))."""
    count = 10 if quick else 50
    with Pool(prepared=2, max_prepared=1 + count) as pool:
        boxes: list[Sandbox] = []
        added = []
        for _ in range(2 + count):
            box = Sandbox(pool=pool, keep_state=True)
            before = _process_memory_mb()
            box.run("1+1")
            pool.wait_ready()
            added.append(_process_memory_mb() - before)
            boxes.append(box)
        for box in boxes:
            box.close()
    report.add("memory/further_sandbox", "MB", added[2:])
    with Pool(prepared=0, max_prepared=1) as empty:
        base = _process_memory_mb()
        with Pool(empty.image, prepared=count, max_prepared=count) as pool:
            pool.wait_ready(60)
            report.add("memory/further_prepared_vm", "MB", [(_process_memory_mb() - base) / count])


def _process_memory_mb() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


def bench_snapshot(report: Report, quick: bool) -> None:
    """Measures taking, saving and loading a snapshot, and runs that start from it."""
    repeats = 10 if quick else 60
    with Sandbox(keep_state=True) as box, tempfile.TemporaryDirectory() as folder:
        box.run("import json, re\nxs = list(range(1000))")
        report.add("snapshot/take", "ms", in_ms(timed(box.snapshot, repeats // 5)))
        snapshot, path = box.snapshot(), Path(folder) / "snapshot"
        report.add("snapshot/save", "ms", in_ms(timed(lambda: snapshot.save(path), repeats // 5)))
        report.add("snapshot/load", "ms", in_ms(timed(lambda: Snapshot.load(path), repeats // 5)))
    with Sandbox.from_snapshot(snapshot, prepared=0) as box:
        report.add("snapshot/run_fresh", "ms", in_ms(timed(lambda: box.run("len(xs)"), repeats)))
    with Pool(snapshot, prepared=1) as pool, Sandbox.from_snapshot(snapshot, pool=pool) as box:
        report.add("snapshot/run_prepared", "ms", in_ms(_timed_when_ready(pool, box, "len(xs)", repeats)))


def bench_files(report: Report, quick: bool) -> None:
    """Measures files of a mount: bytes a second read and written, and what one small file costs."""
    size, repeats = 64 << 20, 3 if quick else 15
    read = "with open('/work/big', 'rb', buffering=0) as f:\n    while f.readinto(data): pass"
    write = f"with open('/work/new', 'wb', buffering=0) as f:\n    for _ in range({size} // len(data)): f.write(data)"
    small = "import os\nfor _ in range(1000): {}"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "big").write_bytes(os.urandom(size))
        Path(folder, "small").write_bytes(bytes(1000))
        limits = Limits(wall_time_s=120, file_read_bytes=1 << 40, file_write_bytes=1 << 40)
        with Sandbox(mounts=[Mount(folder, "/work", mode="rw")], keep_state=True, limits=limits) as box:
            box.run("data = bytearray(1 << 20)").raise_for_error()
            for name, code in (("read", read), ("write", write)):
                rates = [size / 1e6 / s for s in timed(lambda code=code: box.run(code), repeats)]  # type: ignore[misc]
                report.add(f"files/{name}", "MB/s", rates, low_is_bad=True)
            for name, action in (
                ("stat", "os.stat('/work/small')"),
                ("open_read_close", "open('/work/small').read()"),
            ):
                code = small.format(action)
                seconds = timed(lambda code=code: box.run(code), repeats)  # type: ignore[misc]
                report.add(f"files/{name}", "us", [s * 1000 for s in seconds])


BENCHES: dict[str, Callable[[Report, bool], None]] = {
    "phase/": bench_phases,
    "run/": bench_run,
    "sandbox/": bench_sandbox,
    "tool_call/": bench_tool_call,
    "files/": bench_files,
    "memory/": bench_memory,
    "snapshot/": bench_snapshot,
}


def machine() -> dict[str, Any]:
    """Says where figures come from: versions, processor, hypervisor device, and the processors that this may use."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    lines = (line.partition(": ") for line in text.splitlines())
    found = {name.strip(): value for name, _, value in lines}
    return {
        "hypercell": __version__,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "processor": found.get("model name", "unknown"),
        "nested": "hypervisor" in found.get("flags", "").split(),
        "cpus": sorted(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
    }


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Returns a line for each case that both have: the new median as a multiple of the old.

    Args:
        old: `cases` of an earlier report.
        new: Those of this one.
    """
    lines = []
    for case, figures in new.items():
        before = old.get(case)
        if isinstance(before, dict) and before.get("unit") == figures["unit"] and before.get("median"):
            ratio = figures["median"] / before["median"]
            values = f"{before['median']:>10.3f} -> {figures['median']:>10.3f} {figures['unit']}"
            lines.append(f"{case:<28} {values:<36} {ratio:.2f}x")
    return lines


def plot(where: Mapping[str, Any], cases: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns an SVG picture: a bar from nothing to the median and a line to the 95th percentile, on a log scale."""
    timed_cases = {case: f for case, f in cases.items() if f["unit"] in ("ms", "us")}
    in_us = {
        c: [f[k] * (1000 if f["unit"] == "ms" else 1) for k in ("median", "p95")]
        for c, f in timed_cases.items()
    }
    top = max((p95 for _, p95 in in_us.values()), default=1.0)

    def width(us: float) -> float:
        return _BAR_PX * math.log10(max(us, 1.0) + 1) / math.log10(top + 1)

    title = f"hypercell {where['hypercell']}, {where['processor']}, CPUs {where['cpus']}"
    rows = [f'<text x="4" y="14">{escape(title)}</text>']
    for row, (case, (median, p95)) in enumerate(in_us.items(), 1):
        y = row * _ROW_PX + 6
        x1, x2 = _LABEL_PX + width(median), _LABEL_PX + width(p95)
        text = f"{median / 1000:.3g} ms" if median >= 1000 else f"{median:.3g} us"
        rows.append(
            f'<text x="4" y="{y + 11}">{escape(case)}</text>'
            f'<rect x="{_LABEL_PX}" y="{y}" width="{x1 - _LABEL_PX:.1f}" height="14" fill="#4878a8"/>'
            f'<path d="M{x1:.1f} {y + 7}H{x2:.1f}" stroke="#222"/>'
            f'<text x="{x2 + 6:.1f}" y="{y + 11}">{text}</text>'
        )
    height = (len(in_us) + 1) * _ROW_PX + 12
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LABEL_PX + _BAR_PX + 90}" height="{height}" '
    return head + 'font-family="sans-serif" font-size="12">\n' + "\n".join(rows) + "\n</svg>\n"
