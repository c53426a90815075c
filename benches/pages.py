"""Counts the private pages of a prepared VM by what they hold, by walking its page tables from outside.

    python benches/pages.py

The memory that a VM writes (scratch) is a private mapping of this process; /proc/self/pagemap says which pages of it
exist, and the guest's page tables what they are. Needs no privilege. The addresses are those of guest/README.md.
"""

import collections
import re
import struct
import sys
from pathlib import Path

from hypercell import Pool

SCRATCH_BYTES = 160 << 20  # MEMORY_CLASSES in crates/host/src/image/build.rs
SCRATCH_TOP = 1 << 36  # end of guest-physical memory, where scratch ends
PAGE = 4096
STATE_PAGE, ROOT_OFFSET = SCRATCH_TOP - 0x2000, 0x100  # `State` in guest/kernel/src/arch.rs
PRESENT, LARGE, ADDRESS = 1, 1 << 7, 0x000F_FFFF_FFFF_F000
ALIAS = 0x100_0000_0000
RANGES = (
    (0x7000_0000, 0x7010_0000, "kernel image"),
    (0x7010_0000, 0x1_0000_0000, "kernel heap"),
    (0x10_0000_0000, 0x7F_5FF0_0000, "mappings of the program: libraries, small objects"),
    (0x7F_5FF0_0000, 0x7F_6004_0000, "stack of the program"),
    (0x7F_6004_0000, 0x80_0000_0000, "program and its heap: large objects"),
)


class Vm:
    """The scratch memory of a VM in this process."""

    def __init__(self, start: int) -> None:
        """Takes the address of its mapping."""
        self._start = start
        with Path("/proc/self/pagemap").open("rb", 0) as pagemap:
            pagemap.seek(start // PAGE * 8)
            entries = pagemap.read(SCRATCH_BYTES // PAGE * 8)
        present = struct.unpack(f"<{SCRATCH_BYTES // PAGE}Q", entries)
        self.resident = {frame for frame, entry in enumerate(present) if entry >> 63}
        self.kinds: dict[int, str] = {}
        (root,) = struct.unpack_from("<Q", self._read(STATE_PAGE), ROOT_OFFSET)
        self._walk(root, 3, 0)

    def _read(self, address: int) -> bytes:
        with Path("/proc/self/mem").open("rb", 0) as memory:
            memory.seek(self._start + address - (SCRATCH_TOP - SCRATCH_BYTES))
            return memory.read(PAGE)

    def _walk(self, table: int, level: int, first: int) -> None:
        self.kinds[frame_of(table)] = f"page tables of level {level + 1}"
        for index, entry in enumerate(struct.unpack("<512Q", self._read(table))):
            address = first | index << 12 + 9 * level
            target = entry & ADDRESS
            if not entry & PRESENT or not SCRATCH_TOP - SCRATCH_BYTES <= target < SCRATCH_TOP:
                continue
            if level > 0 and not entry & LARGE:
                self._walk(target, level - 1, address)
            elif level == 0:
                self.kinds.setdefault(frame_of(target), kind_of(address))


def frame_of(address: int) -> int:
    """Returns the number of a frame in scratch."""
    return (address - (SCRATCH_TOP - SCRATCH_BYTES)) // PAGE


def kind_of(address: int) -> str:
    """Says what lies at a guest-virtual address."""
    return next(
        (kind for start, end, kind in RANGES if start <= address < end), "stacks and state of the kernel"
    )


def mappings() -> list[int]:
    """Returns the addresses of the scratch mappings in this process."""
    found = []
    for line in Path("/proc/self/maps").read_text(encoding="ascii").splitlines():
        start, end, access = re.match(r"(\w+)-(\w+) (\S+)", line).groups()  # type: ignore[union-attr]
        if int(end, 16) - int(start, 16) == SCRATCH_BYTES and access == "rw-p":
            found.append(int(start, 16))
    return found


def main() -> int:
    """Prints the count of each class."""
    with Pool(prepared=1, max_prepared=1) as pool:
        pool.wait_ready(60)
        for start in mappings():
            vm = Vm(start)
            counts = collections.Counter(vm.kinds.get(frame, "transport, spare") for frame in vm.resident)
            for kind, count in counts.most_common():
                print(f"{count:>5}  {kind}")
            print(f"{len(vm.resident):>5}  pages, {len(vm.resident) * PAGE / 1e6:.3f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
