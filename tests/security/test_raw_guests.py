"""A guest without our kernel: ELF files of an attacker's making in real VMs, and files that are none.

Evidence: each kernel is assembled here and runs in ring 0 of a real VM; the host ends each with a typed error, in time,
and goes on. Kernels that do something forbidden are distinguished from those that only do not stop.
"""

import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("cffi", reason="hypercell[testing] is not installed")

import hypercell
from hypercell import testing
from raw_kernels import (
    BASE,
    ENDLESS,
    GCC,
    KERNELS,
    asking,
    assemble,
    elf,
    mutated_call,
    random_transport,
    write_to_port,
)

pytestmark = [pytest.mark.vm, pytest.mark.skipif(GCC is None, reason="gcc is not there to assemble kernels")]
OUTPUT, TOOL_CALL, RUN_DONE = 0x102, 0x103, 0x104
LIMITS = hypercell.Limits(wall_time_s=0.5, memory_bytes=16 << 20)
# How any run of a hostile kernel may end.
ENDINGS = (hypercell.GuestCrashError, hypercell.ProtocolError, hypercell.LimitError)


def ending(kernel, limits=LIMITS):
    """Returns the class of the error by which the run of a kernel ends, after two runs that end alike."""
    guest = testing.RawGuest(elf=kernel)
    kinds = set()
    with guest.sandbox(limits=limits) as box:
        for _ in range(2):
            with pytest.raises(ENDINGS) as caught:
                guest.attack(box)
            kinds.add(type(caught.value))
    (kind,) = kinds
    return kind


@pytest.mark.parametrize("name", KERNELS)
def test_kernel_that_does_one_thing_wrong_ends_its_run(name):
    # What a processor and its hypervisor do about some of these differs; hanging is as good as dying.
    assert ending(assemble(KERNELS[name])) in (hypercell.GuestCrashError, hypercell.TimeLimitError)


@pytest.mark.parametrize(
    "name", ["halts at once", "returns", "raises an invalid opcode", "reads the null page"]
)
def test_kernel_that_dies_is_a_crash_with_a_report(name):
    guest = testing.RawGuest(elf=assemble(KERNELS[name]))
    with guest.sandbox(limits=LIMITS) as box, pytest.raises(hypercell.GuestCrashError) as caught:
        guest.attack(box)
    assert caught.value.report != ""


@pytest.mark.parametrize("name", ENDLESS)
def test_kernel_that_never_halts_is_stopped_at_the_limit(name):
    guest = testing.RawGuest(elf=assemble(ENDLESS[name]))
    with guest.sandbox(limits=LIMITS) as box:
        started = time.monotonic()
        with pytest.raises(hypercell.TimeLimitError):
            guest.attack(box)
        assert time.monotonic() - started < 20


@pytest.mark.parametrize("port", [0, 1, 0x20, 0x64, 99, 102, 103, 104, 107, 109, 110, 0x3F8, 0xCF8, 0xFFFF])
@pytest.mark.parametrize("value", [0, 0x41FF4103, 0xFFFFFFFF])
def test_write_to_a_port_reaches_nothing(port, value, capfd):
    assert ending(assemble(write_to_port(port, value))) is hypercell.GuestCrashError
    # Port 103 prints characters: SECURITY.md, known limits.
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == "" or port == 103


@pytest.mark.parametrize("seed", range(40))
def test_transport_of_any_bytes_ends_the_run(seed):
    assert ending(random_transport(seed)) in ENDINGS[:1]


@pytest.mark.parametrize("seed", range(40))
def test_call_of_the_host_of_any_bytes_ends_the_run(seed):
    assert ending(mutated_call(seed)) in ENDINGS[:2]


def test_kernel_of_an_attacker_speaks_like_ours():
    """Otherwise the turns of the next test would be refused for another reason than theirs."""
    output = testing.frame_of(OUTPUT, b"\xa2bfd\x01ddataBhi", seq=1)
    guest = testing.RawGuest(elf=asking(testing.turn_of(output)))
    with guest.sandbox(limits=LIMITS) as box, pytest.raises(hypercell.GuestCrashError) as caught:
        guest.attack(box)
    assert caught.value.result.stdout == "hi"


TURNS = {
    "nothing": (b"", "header of 0 bytes is shorter than 80"),
    "no header": (b"x" * 200, "magic 0x78787878 is not 0x58454348"),
    "no frame": (testing.turn_of(b""), "header of 0 bytes is shorter than 16"),
    "an old number": (
        testing.turn_of(testing.frame_of(RUN_DONE, b"\xa0")),
        "frame answers sequence number 0, not 1",
    ),
    "a frame of the host": (
        testing.turn_of(testing.frame_of(1, b"\xa0", seq=1)),
        "frame RunRequest stands where a frame from the guest is due",
    ),
}


@pytest.mark.parametrize("name", TURNS)
def test_turn_of_an_attackers_kernel_goes_through_the_one_decoder(name):
    turn, message = TURNS[name]
    guest = testing.RawGuest(elf=asking(turn))
    with guest.sandbox(limits=LIMITS) as box, pytest.raises(hypercell.ProtocolError) as caught:
        guest.attack(box)
    assert str(caught.value) == f"the guest broke the rules of the wire: {message}"


def test_kernel_of_an_attacker_calls_no_tool_that_is_not_given():
    called = []
    call = testing.frame_of(TOOL_CALL, b"\xa4\x62id\x07\x64name\x66secret\x64args\xa0\x64line\xf6", seq=1)
    guest = testing.RawGuest(elf=asking(testing.turn_of(call)))
    box = guest.sandbox(limits=LIMITS, tools={"ping": lambda: called.append(1)})
    with box, pytest.raises(hypercell.GuestCrashError):
        guest.attack(box)
    assert called == []


def test_tools_files_and_network_are_out_of_reach_of_a_kernel_that_crashes(tmp_path):
    called, events = [], []
    guest = testing.RawGuest(elf=assemble("hlt"))
    options = {
        "tools": {"ping": lambda: called.append(1)},
        "mounts": [(tmp_path, "/data")],
        "domains": ["example.org"],
    }
    box = guest.sandbox(limits=LIMITS, on_audit=events.append, **options)
    with box, pytest.raises(hypercell.GuestCrashError):
        guest.attack(box)
    assert called == []
    assert [event.event for event in events] == ["sandbox_made", "run_started", "run_ended", "sandbox_closed"]


def test_cancel_stops_a_kernel_without_a_time_limit():
    guest = testing.RawGuest(elf=assemble(ENDLESS["loops"]))
    with guest.sandbox(limits=hypercell.Limits(wall_time_s=None)) as box:
        timer = threading.Timer(0.3, box.cancel)
        timer.start()
        with pytest.raises(hypercell.RunCancelledError):
            guest.attack(box)
        timer.join()


SEGMENT = (1, 5, 0, BASE, 4096, 4096)
UNFIT = {
    "nothing": (b"", "it cannot be read as an ELF: "),
    "text": (b"#!/bin/sh\n" * 20, "it cannot be read as an ELF: "),
    "half a header": (elf()[:40], "it cannot be read as an ELF: "),
    "cut before its segments": (elf()[:70], "it cannot be read as an ELF: 1 program headers from 0x40 on"),
    "headers out of the file": (
        elf(header_offset=2**64 - 8),
        "it cannot be read as an ELF: 1 program headers from 0xfffffffffffffff8 on",
    ),
    "65535 headers": (elf(count=65535), "it cannot be read as an ELF: 65535 program headers from 0x40 on"),
    "32 bits": (elf(ident=b"\x7fELF\x01\x01\x01"), "it is not a 64-bit executable for x86-64: type "),
    "big-endian": (elf(ident=b"\x7fELF\x02\x02\x01"), "it is not a 64-bit executable for x86-64: type "),
    "another machine": (elf(machine=183), "it is not a 64-bit executable for x86-64: type 2, machine 183"),
    "a shared object": (elf(kind=3), "it is not a 64-bit executable for x86-64: type 3, machine 62"),
    "an object file": (elf(kind=1), "it is not a 64-bit executable for x86-64: type 1, machine 62"),
    "a loader": (
        elf(segments=(SEGMENT, (3, 4, 0, BASE, 16, 16))),
        "it is not static, it has a PT_INTERP; link it with -static -no-pie",
    ),
    "no segment": (elf(segments=()), "it has no segment to load"),
    "an empty segment": (elf(segments=((1, 5, 0, BASE, 0, 0),)), "it has no segment to load"),
    "a segment beyond the file": (
        elf(segments=((1, 5, 4000, BASE, 4096, 4096),)),
        "segment 0 has 4096 bytes from 0xfa0 on, for 4096 bytes, in a file of 4096",
    ),
    "a segment that begins beyond any file": (
        elf(segments=((1, 5, 2**64 - 1, BASE, 4096, 4096),)),
        "segment 0 has 4096 bytes from 0xffffffffffffffff on, for 4096 bytes, in a file of 4096",
    ),
    "more in the file than in memory": (
        elf(segments=((1, 5, 0, BASE, 4096, 16),)),
        "segment 0 has 4096 bytes from 0x0 on, for 16 bytes, in a file of 4096",
    ),
    "memory of nearly 2^64": (
        elf(segments=((1, 5, 0, BASE, 4096, 2**64 - 1),)),
        "segment 0 is at 0x400000 with 18446744073709551615 bytes, which is not from 0x4000 to 0x800000000000",
    ),
    "memory of the whole lower half": (
        elf(segments=((1, 5, 0, BASE, 4096, 2**47 - BASE - 4096),)),
        "it spans 140737484156928 bytes, which exceeds 16777216, the limit for memory",
    ),
    "memory above the limit": (
        elf(segments=((1, 5, 0, BASE, 4096, (16 << 20) + 1),)),
        "it spans 16781312 bytes, which exceeds 16777216, the limit for memory",
    ),
    "an address in the upper half": (
        elf(entry=0xFFFF800000000000, segments=((1, 5, 0, 0xFFFF800000000000, 4096, 4096),)),
        "segment 0 is at 0xffff800000000000 with 4096 bytes, which is not from 0x4000 to 0x800000000000",
    ),
    "segments far apart": (
        elf(segments=(SEGMENT, (1, 6, 0, 0x7F0000000000, 16, 16))),
        "it spans 139637972537344 bytes, which exceeds 16777216, the limit for memory",
    ),
    "address zero": (
        elf(entry=0, segments=((1, 5, 0, 0, 4096, 4096),)),
        "segment 0 is at 0x0 with 4096 bytes, which is not from 0x15000 to 0x800000000000",
    ),
    "overlapping segments": (
        elf(segments=(SEGMENT, (1, 6, 0, BASE + 4095, 16, 16))),
        "two segments overlap at 0x400fff",
    ),
    "an entry point outside": (elf(entry=BASE - 1), "its entry point 0x3fffff is in no executable segment"),
    "an entry point in data": (
        elf(segments=((1, 6, 0, BASE, 4096, 4096),)),
        "its entry point 0x400000 is in no executable segment",
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_file_that_cannot_be_a_guest_is_refused_before_a_vm_is_made(name):
    data, message = UNFIT[name]
    with pytest.raises(hypercell.PolicyError) as caught:
        testing.RawGuest(elf=data).sandbox(limits=LIMITS)
    start = f"the elf cannot be a guest: {message}"
    assert str(caught.value).startswith(start) if message.endswith(" ") else str(caught.value) == start


def test_position_independent_and_dynamic_files_are_refused():
    for options in (("-static-pie",), ("-shared",)):
        with pytest.raises(hypercell.PolicyError, match=r"^the elf cannot be a guest: it is not "):
            testing.RawGuest(elf=assemble("hlt", *options)).sandbox()


def test_file_is_read_from_its_path(tmp_path):
    path = tmp_path / "kernel"
    path.write_bytes(elf())
    assert ending(path) is hypercell.GuestCrashError


def test_segments_of_one_page_are_laid_out_as_the_file_says():
    """The second segment begins in the page in which the first ends; the code reads it, and dies where it is wrong."""
    code = "cmp qword ptr [rip + there], 77; jne 2f; 1: jmp 1b; 2: ud2\n.data\nthere: .quad 77"
    kernel = assemble(code, "-Wl,-z,noseparate-code", "-Wl,-z,max-page-size=16")
    assert ending(kernel) is hypercell.TimeLimitError
    assert (
        ending(kernel.replace((77).to_bytes(8, "little"), (78).to_bytes(8, "little")))
        is hypercell.GuestCrashError
    )


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(testing.mutations(st.just(assemble("hlt") if GCC else b"")))
def test_mutated_file_is_refused_or_ends_its_run(data):
    guest = testing.RawGuest(elf=data)
    try:
        box = guest.sandbox(limits=LIMITS)
    except hypercell.PolicyError:
        return
    with box, pytest.raises(ENDINGS):
        guest.attack(box)


def test_exactly_one_kind_of_guest_is_given():
    for given_ in ({}, {"elf": b"", "python": ""}):
        with pytest.raises(hypercell.PolicyError) as caught:
            testing.RawGuest(**given_)
        assert str(caught.value) == "RawGuest takes one of elf, python and play"


def test_options_that_need_an_image_are_no_options_of_a_raw_guest():
    with pytest.raises(TypeError):
        testing.RawGuest(elf=elf()).sandbox(keep_state=True)
