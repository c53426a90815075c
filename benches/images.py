"""Measures images: what they take on disk and in memory, how long they take to build, and what they have in common.

    python benches/images.py                    # in an environment with tests/packages/requirements.txt
    python benches/images.py --cache DIRECTORY  # an empty one on a file system that nobody else uses

Each image is built twice: after the images above it in the table, in a cache that was empty before the first, and again
without images but with all byte code kept. Another process loads it and runs `1+1`. Prints tables for docs/images.md.
With `--cache`, what the images take together is what is in use on that file system, which counts shared blocks once.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from hypercell import Image, ImageInfo

MB = 1e6
BLOCK_BYTES = 4096
# Distributions, and the modules that are imported in the image.
IMAGES: dict[str, tuple[list[str], list[str]]] = {
    "no packages": ([], []),
    "numpy": (["numpy"], ["numpy"]),
    "pandas": (["pandas"], ["numpy", "pandas"]),
    "scipy": (["scipy"], ["numpy", "scipy"]),
    "pyarrow, pandas": (["pyarrow", "pandas"], ["pyarrow", "pandas"]),
    "six of the web": (
        ["requests", "pydantic", "httpx", "pyyaml", "jinja2", "beautifulsoup4"],
        ["requests", "pydantic", "httpx", "yaml", "jinja2", "bs4"],
    ),
}
STAGES = {
    "looking at the interpreter": "look",
    "reading the interpreter's files": "look",
    "compiling Python sources": "compile",
    "packing files": "pack",
    "starting the interpreter": "start",
    "importing modules": "import",
    "recording a run": "record",
    "taking the snapshot": "record",
    "saving the snapshot": "save",
}
USE = """
import json, re, sys, time
from pathlib import Path
from hypercell import Image, Sandbox

def resident():
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return [int(re.search(rf"^{name}: +(\\d+) kB", rollup, re.M)[1]) * 1024 for name in ("Rss", "Anonymous")]

kept = []
for digest in sys.argv[2:]:
    before, began = resident(), time.perf_counter()
    image = Image.from_cache(digest, cache_dir=sys.argv[1])
    load_s = time.perf_counter() - began
    box = Sandbox(image=image, prepared=0)
    box.run("1+1")
    kept.append(box)
    all_, private = (after - first for after, first in zip(resident(), before))
print(json.dumps([load_s, all_, private]))
"""


class Use(NamedTuple):
    """What the last of some images costs a process that uses them all."""

    load_s: float
    resident_bytes: int
    private_bytes: int


class Stopwatch:
    """Seconds of a build by stage."""

    def __init__(self) -> None:
        """Starts with none."""
        self.seconds: dict[str, float] = {}
        self._last: tuple[str, float] | None = None

    def __call__(self, stage: str, _fraction: float) -> None:
        """Notes that a stage begins."""
        now = time.perf_counter()
        if self._last is not None:
            name = STAGES.get(self._last[0], "other")
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last[1]
        self._last = (stage, now)


def build(cache: Path, name: str) -> tuple[str, dict[str, float]]:
    """Builds an image. Returns its digest, and the seconds of each stage, of all, and of processors."""
    packages, warm = IMAGES[name]
    watch, processors = Stopwatch(), sum(os.times()[:4])
    image = Image.from_environment(packages, warm=warm, cache_dir=cache, progress=watch)
    all_ = {"all": sum(watch.seconds.values()), "processors": sum(os.times()[:4]) - processors}
    return image.digest, {**watch.seconds, **all_}


def use(cache: Path, *digests: str) -> Use:
    """Has a new process use images."""
    done = subprocess.run(
        [sys.executable, "-c", USE, str(cache), *digests], check=True, capture_output=True, text=True
    )
    return Use(*json.loads(done.stdout))


def used_bytes(cache: Path) -> int:
    """Bytes in use on the file system of the cache: what is shared counts once."""
    os.sync()
    found = os.statvfs(cache)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def blocks(image: ImageInfo) -> list[int]:
    """Returns a hash of each block of an image's memory."""
    memory = max(Path(image.path).rglob("blobs/*/*"), key=lambda file: file.stat().st_size).read_bytes()
    return [hash(memory[start : start + BLOCK_BYTES]) for start in range(0, len(memory), BLOCK_BYTES)]


def table(head: list[str], rows: list[list[str]]) -> None:
    """Prints a table."""
    for cells in (head, ["---"] * len(head), *rows):
        print("|", " | ".join(cells), "|")
    print()


def measure(cache: Path, *, is_alone: bool) -> None:
    """Builds, uses and compares all images."""
    empty_bytes = used_bytes(cache)
    digests: dict[str, str] = {}
    first: dict[str, dict[str, float]] = {}
    together: dict[str, int] = {}
    for name in IMAGES:
        digests[name], first[name] = build(cache, name)
        together[name] = used_bytes(cache) - empty_bytes - Image.bytecode_bytes(cache_dir=cache)
    found = {one.digest: one for one in Image.list(cache_dir=cache)}

    rows, seen = [], set[int]()
    for name, digest in digests.items():
        info, own, cost = found[digest], blocks(found[digest]), use(cache, digest)
        common_bytes = sum(block in seen for block in own) * BLOCK_BYTES
        seen.update(own)
        sizes = [info.size_bytes, info.files_bytes, common_bytes, *([together[name]] if is_alone else [])]
        memory = [cost.resident_bytes, cost.private_bytes]
        cells = [*(f"{size / MB:.0f}" for size in sizes), f"{cost.load_s * 1e3:.1f}"]
        rows.append([name, *cells, *(f"{size / MB:.1f}" for size in memory)])
    head = ["Image", "MB", "of it files", "also in one above", *(["together"] if is_alone else [])]
    table([*head, "Loaded in ms", "Resident MB", "of it private"], rows)
    two = use(cache, digests["numpy"], digests["pandas"])
    print(
        f"pandas beside numpy: {two.resident_bytes / MB:.1f} MB resident, {two.private_bytes / MB:.1f} private"
    )
    print(f"byte code: {Image.bytecode_bytes(cache_dir=cache) / MB:.0f} MB\n")

    shutil.rmtree(cache / "images")
    columns = ["all", "processors", *dict.fromkeys(STAGES.values())]
    rows = []
    for name, before in first.items():
        _, again = build(cache, name)
        rows.append([name, "first", *(f"{before[column]:.1f}" for column in columns)])
        rows.append([name, "again", *(f"{again[column]:.1f}" for column in columns)])
    table(["Image", "Build", *columns], rows)
    print(f"load average when done: {os.getloadavg()[0]:.2f}")


def main() -> None:
    """Measures in the given cache, or in one that is removed."""
    parser = argparse.ArgumentParser(description="Measures images.")
    parser.add_argument("--cache", type=Path, help="an empty directory; a temporary one unless given")
    options = parser.parse_args()
    if options.cache is not None:
        measure(options.cache, is_alone=True)
        return
    with tempfile.TemporaryDirectory() as cache:
        measure(Path(cache), is_alone=False)


if __name__ == "__main__":
    main()
