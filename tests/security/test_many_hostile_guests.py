"""Hostile and crashing guests in a row in one process: it lives, takes no more of the machine, and runs on.

Evidence: one cycle of attacks runs before anything is measured, so what a kind of attack costs once is not growth.
After each attack an honest run in a sandbox that lived through all of them gives the right answer.

`HYPERCELL_TEST_HOSTILE` says how many there are, 60 unless given. The figures are printed.
"""

import functools
import gc
import os
import random
import time
from pathlib import Path

import pytest

pytest.importorskip("cffi", reason="hypercell[testing] is not installed")

import hypercell
from escapes import load_all
from hostile_frames import FRAMES
from hypercell import testing
from raw_kernels import ENDLESS, GCC, KERNELS, assemble, mutated_call, random_transport

COUNT = int(os.environ.get("HYPERCELL_TEST_HOSTILE", "60"))
# The first of so many is not measured.
CYCLES = 5
WALL_TIME_S = 0.25
ENDINGS = (
    hypercell.LimitError,
    hypercell.GuestCrashError,
    hypercell.ProtocolError,
    hypercell.RunCancelledError,
)
PROGRAMS = {
    "loops": "while True: pass",
    "fills its memory": "x = []\nwhile True: x.append(bytearray(1 << 20))",
    "writes without end": "while True: print('x' * 9999)",
    "kills itself": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "leaves": "import os; os._exit(3)",
    "calls a tool too often": "while True: add(a=1, b=2)",
    "jumps to null": "import ctypes; ctypes.CFUNCTYPE(None)(0)()",
}


def add(a: int, b: int) -> int:
    return a + b


def run_of_code(code, limits, inputs):
    limits = {"wall_time_s": WALL_TIME_S, "memory_bytes": 64 << 20, **limits}
    with hypercell.Sandbox(tools=[add], limits=hypercell.Limits(**limits)) as box:
        box.run(code, inputs=inputs)


def run_of_guest(guest, inputs=None):
    with guest.sandbox(limits=hypercell.Limits(wall_time_s=WALL_TIME_S, memory_bytes=64 << 20)) as box:
        guest.attack(box, inputs=inputs)


def all_attacks(host_file):
    """Every attack of the other tests, by name."""
    known = {"host_file": str(host_file), "host_pid": os.getpid(), "host_port": 1}
    short = {"wall_time_s": WALL_TIME_S}
    attacks = {
        escape.name: functools.partial(run_of_code, escape.source, escape.limits | short, known)
        for escape in load_all()
    }
    attacks |= {
        f"program {name}": functools.partial(run_of_code, code, {}, {}) for name, code in PROGRAMS.items()
    }
    exchange = testing.RawGuest(python="exchange(frame)")
    attacks |= {
        f"frame {name}": functools.partial(run_of_guest, exchange, {"frame": data})
        for name, data in FRAMES.items()
    }
    elves = {name: assemble(source) for name, source in (KERNELS | ENDLESS).items()}
    elves |= {f"queues {seed}": random_transport(seed) for seed in range(20)}
    elves |= {f"call {seed}": mutated_call(seed) for seed in range(20)}
    attacks |= {
        f"kernel {name}": functools.partial(run_of_guest, testing.RawGuest(elf=elf))
        for name, elf in elves.items()
    }
    for seed in range(20):
        said = random.Random(seed).randbytes(200)
        guest = testing.RawGuest(play=lambda _, said=said: said)
        attacks[f"player {seed}"] = functools.partial(run_of_guest, guest)
    return attacks


def figures():
    """What the process takes of the machine: resident kilobytes, descriptors, threads and mappings."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    words = {
        line.split(":")[0]: line.split(":")[1].split()[0]
        for line in status.splitlines()
        if len(line.split()) > 1
    }
    return {
        "rss_kb": int(words["VmRSS"]),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": int(words["Threads"]),
        "mappings": Path("/proc/self/maps").read_text().count("\n"),
    }


@pytest.mark.vm
@pytest.mark.slow
@pytest.mark.skipif(GCC is None, reason="gcc is not there to assemble kernels")
@pytest.mark.timeout(120 + COUNT * 2)
def test_process_lives_through_hostile_guests_and_takes_no_more(make_sandbox, tmp_path, capfd):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    honest = make_sandbox(tools=[add])
    attacks = all_attacks(secret)
    names = sorted(attacks, key=lambda name: random.Random(name).random())
    cycle = names[: COUNT // CYCLES]
    before, endings, started = {}, {}, time.monotonic()
    for number in range(COUNT):
        if number == len(cycle):
            before = figures()
        name = cycle[number % len(cycle)]
        try:
            attacks[name]()
            ending = "returned"
        except ENDINGS as error:
            ending = type(error).__name__
        endings[ending] = endings.get(ending, 0) + 1
        assert honest.run("[add(a=1, b=2), 6 * 7]").value == [3, 42], name
    after = figures()
    with capfd.disabled():
        print(
            f"\n{COUNT} hostile guests of {len(attacks)} kinds in {time.monotonic() - started:.0f} s: {endings}"
        )
        print(f"after {len(cycle)}: {before}\nafter {COUNT}: {after}")
    assert after["descriptors"] == before["descriptors"]
    assert after["threads"] <= before["threads"]
    # Allocators and caches of Python settle for a while; a VM that stayed would be a megabyte and ten mappings each.
    assert after["mappings"] <= before["mappings"] + 40
    assert after["rss_kb"] <= before["rss_kb"] + 16_384
    assert len(endings) >= 3
