"""Runs the programs of tests/packages natively and in the guest, compares them, and measures both in turns.

    python benches/packages.py [--cpu N] [--repeats N] [--write] [NAME ...]     the programs, or those named
    python benches/packages.py --shares [--cpu N] [--write]                     CPU-bound work, and a fresh groupby

The packages must be installed beside hypercell, in the versions of tests/packages/requirements.txt, which `cargo
xtask packages` does. One image is made for each group of programs. A program runs first in a fresh VM, where value
and files must be those of the native run, and then again and again in a kept one, in turns with a native process.
Everything is pinned to one CPU, which is what a guest has; a library would use more natively. `--write` puts the
figures into docs/packages.md. Exits with 1 where a program ends differently.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import re
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from kernels import KERNELS, PACKAGE_KERNELS, shares_of_native

import hypercell
from hypercell._bench import Report, in_ms, machine, timed

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from http_servers import TestServer
from package_programs import (
    GUEST_INPUTS,
    WARM,
    Ending,
    Native,
    PackageProgram,
    ending_of,
    load_all,
    packages_of,
)

PAGE = Path(__file__).parent.parent / "docs" / "packages.md"
MEMORY_BYTES = 512 << 20
# Kernels of the standard library whose share of native speed is promised beside those of packages.
STANDARD = ("json", "regex", "zlib", "sqlite")
GROUPBY = """
import pandas as pd
frame = pd.DataFrame({"shop": ["north", "south", "east"] * 100, "price": range(300)})
frame.groupby("shop")["price"].sum().to_dict()
"""


@dataclass(frozen=True)
class Row:
    """What was found about one program. Times are medians in seconds; memory is the most beyond the image, in bytes."""

    program: PackageProgram
    outcome: str
    native_s: float = 0.0
    guest_s: float = 0.0
    fresh_s: float = 0.0
    memory_bytes: int = 0


def compare(program: PackageProgram, image: hypercell.Image, server: TestServer, repeats: int) -> Row:
    """Runs a program on both sides; returns what was found."""
    options = {
        "image": image,
        "prepared": 0,
        "limits": hypercell.Limits(memory_bytes=MEMORY_BYTES, wall_time_s=300),
        "domains": [server.url] if program.network else [],
    }
    inputs = {**GUEST_INPUTS, "url": server.url}
    with tempfile.TemporaryDirectory() as folder, hypercell.Sandbox(**options) as fresh:
        native = Native(program, Path(folder), server.url)
        try:
            _, expected = native.work()
            result = fresh.run(program.source + "work()", inputs=inputs)
            outcome = difference(expected, ending_of(result))
            if outcome != "equal":
                return Row(program, outcome)
            with hypercell.Sandbox(keep_state=True, **options) as kept:
                kept.run(program.source + "work()", inputs=inputs)
                native_s, guest_s = [], []
                for _ in range(repeats):
                    native_s.append(native.work()[0])
                    before = time.perf_counter()
                    kept.run("work()")
                    guest_s.append(time.perf_counter() - before)
        finally:
            native.close()
    return Row(
        program,
        outcome,
        statistics.median(native_s),
        statistics.median(guest_s),
        result.usage.wall_time_s,
        result.usage.memory_peak_bytes,
    )


def difference(native: Ending, guest: Ending) -> str:
    """Says how two endings differ: "equal", or what is not."""
    if native.error is not None:
        return f"fails natively: {native.error.splitlines()[-1]}"
    if guest.error is not None:
        return guest.error.splitlines()[-1]
    if native.value != guest.value:
        return "another value"
    return "equal" if native.files == guest.files else "other files"


def run_programs(names: list[str], repeats: int) -> list[str]:
    """Runs the programs of these names, or all; returns the lines for the page, or exits where one differs."""
    programs = load_all()
    if unknown := set(names) - {program.name for program in programs}:
        raise SystemExit(f"unknown program {min(unknown)!r}; known: {' '.join(p.name for p in programs)}")
    rows, images, server = [], [], TestServer()
    for name, warm in WARM.items():
        chosen = [
            program
            for program in programs
            if program.image == name and program.name in (names or [program.name])
        ]
        if not chosen:
            continue
        packages, before = packages_of(name, programs), time.perf_counter()
        image = hypercell.Image.from_environment(packages, warm=warm, memory_bytes=MEMORY_BYTES)
        images.append((name, warm, image, time.perf_counter() - before))
        for program in chosen:
            row = compare(program, image, server, repeats)
            rows.append(row)
            print(
                f"{program.name:<24} {row.outcome:<8} native {row.native_s * 1e3:8.1f} ms, guest "
                f"{row.guest_s * 1e3:8.1f} ms, fresh {row.fresh_s * 1e3:8.1f} ms, {row.memory_bytes / 1e6:.0f} MB",
                flush=True,
            )
    server.stop()
    if failed := [row for row in rows if row.outcome != "equal"]:
        raise SystemExit("\n".join(f"{row.program.name}: {row.outcome}" for row in failed))
    return [*table_of(rows), "", *table_of_images(images)]


def table_of(rows: list[Row]) -> list[str]:
    """Returns the table of programs."""
    lines = [
        "| Package | Version | What was run | Result | Native | Guest | Of native speed | Fresh VM | Memory |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in sorted(rows, key=lambda row: row.program.package.lower()):
        lines.append(
            f"| {row.program.package} | {version_of(row.program)} | {row.program.what} | {row.outcome} "
            f"| {row.native_s * 1e3:.1f} ms | {row.guest_s * 1e3:.1f} ms | {row.native_s / row.guest_s:.2f} "
            f"| {row.fresh_s * 1e3:.0f} ms | {row.memory_bytes / 1e6:.0f} MB |"
        )
    return lines


def version_of(program: PackageProgram) -> str:
    """Returns the version of what a program is about."""
    if not program.packages:
        return "of Python " + ".".join(map(str, sys.version_info[:3]))
    return importlib.metadata.version(program.packages[0])


def table_of_images(images: list[tuple[str, list[str], hypercell.Image, float]]) -> list[str]:
    """Returns the table of images."""
    lines = [
        "| Image | Imported in it | Distributions | In the cache | Made or loaded in |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, warm, image, seconds in images:
        modules = ", ".join(f"`{module}`" for module in warm)
        lines.append(
            f"| {name} | {modules} | {len(image.packages)} | {image.size_bytes / 1e6:.0f} MB | {seconds:.1f} s |"
        )
    return lines


def run_shares(repeats: int) -> list[str]:
    """Measures CPU-bound work as a share of native speed, and a fresh groupby; returns the lines for the page."""
    report = Report()
    # OpenBLAS maps 32 MiB for each matrix product that it may be in, so 128 MiB are not enough.
    packages = ["numpy", "pandas", "regex"]
    image = hypercell.Image.from_environment(packages, warm=packages, memory_bytes=MEMORY_BYTES)
    limits = hypercell.Limits(wall_time_s=120, memory_bytes=MEMORY_BYTES)
    with hypercell.Sandbox(image=image, keep_state=True, limits=limits) as box:
        for name, source in {**{name: KERNELS[name] for name in STANDARD}, **PACKAGE_KERNELS}.items():
            report.add(
                f"packages/{name}", "of native", shares_of_native(box, source, repeats), low_is_bad=True
            )
    with hypercell.Sandbox(image=image, prepared=0, limits=limits) as box:
        for name, code in (("import", "import pandas"), ("groupby", GROUPBY)):
            box.run(code).raise_for_error()
            report.add(
                f"packages/fresh_{name}", "ms", in_ms(timed(lambda code=code: box.run(code), 5 * repeats))
            )
    lines = ["| Case | Median | p95 |", "| --- | --- | --- |"]
    for case, found in report.cases.items():
        unit = "" if found["unit"] == "of native" else f" {found['unit']}"
        lines.append(f"| `{case}` | {found['median']:.2f}{unit} | {found['p95']:.2f}{unit} |")
    return lines


def write(section: str, lines: list[str]) -> None:
    """Puts lines between the comments of a section of the page."""
    begin, end = f"<!-- {section} -->", f"<!-- end of {section} -->"
    where = machine()
    place = (
        f"CPython {where['python']}, Linux {where['kernel']}, {where['processor']}, CPU {where['cpus'][0]}; "
        f"load average when done: {where['load']}."
    )
    text = PAGE.read_text(encoding="utf-8")
    made = "\n".join([begin, "", place, "", *lines, "", end])
    PAGE.write_text(re.sub(f"{begin}.*{end}", lambda _: made, text, flags=re.DOTALL), encoding="utf-8")


def main() -> None:
    """Runs what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cpu", type=int, default=0, help="pin everything to this CPU (default: 0)")
    parser.add_argument("--repeats", type=int, default=7, help="samples of each side (default: 7)")
    parser.add_argument("--shares", action="store_true", help="CPU-bound work and a fresh groupby instead")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/packages.md")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these programs, such as numpy_arrays")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.cpu})
    lines = run_shares(options.repeats) if options.shares else run_programs(options.names, options.repeats)
    if options.write:
        write("shares" if options.shares else "programs", lines)


if __name__ == "__main__":
    main()
