"""Hostile kernels, assembled at test time, and malformed ELF files: what `hypercell.testing.RawGuest` is tried with.

Each kernel is the whole program in a VM, in ring 0, from its first instruction on. Those of `KERNELS` do one thing
wrong; those of `ENDLESS` do nothing wrong, but for ever.
"""

import functools
import random
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

GCC = shutil.which("gcc")
BASE = 0x400000
# Guest-virtual minus guest-physical address of scratch, its end, and where before that the address of the transport is.
_SCRATCH_OFFSET = 0xFFFF_FFEF_FFFF_F000
_SCRATCH_END = 0xFFFF_FFFF_FFFF_F000
_ARENA = _SCRATCH_END - 0x38
_SCRATCH_BYTES = 160 << 20
_NOTIFY, _HALT, _PRINT, _ABORT = 109, 108, 103, 102
# Maps the 2 MiB at `physical` to 0x2200000, which nothing else uses.
_MAP = """
    mov rax, cr3
    and rax, -4096
    movabs rdx, {offset:#x}
    mov rcx, [rax + rdx]
    and rcx, -4096
    mov rcx, [rcx + rdx]
    and rcx, -4096
    movabs rbx, {physical:#x} + 0x83
    mov [rcx + rdx + 17 * 8], rbx
    mov rax, cr3
    mov cr3, rax
"""


def _mapped(physical: int) -> str:
    return _MAP.format(offset=_SCRATCH_OFFSET, physical=physical)


KERNELS = {
    "halts at once": "hlt",
    "halts by the port": f"out {_HALT}, al",
    "halts without end": "1: cli; hlt; jmp 1b",
    "returns": "ret",
    "raises an invalid opcode": "ud2",
    "divides by zero": "xor ecx, ecx; div ecx",
    "reads the null page": "mov rax, [0]",
    "reads a non-canonical address": "movabs rax, 0x8000000000000000; mov rax, [rax]",
    "writes its own page": "mov [rip], rax",
    "overflows its stack": "1: push rax; jmp 1b",
    "loses its stack": "xor esp, esp; push rax",
    "loses its page tables": "xor eax, eax; mov cr3, rax; jmp .",
    "switches paging off": "mov rax, cr0; btr rax, 31; mov cr0, rax; jmp .",
    "writes reserved bits of cr4": "mov rax, -1; mov cr4, rax",
    "loads no interrupt table": "push 0; push 0; lidt [rsp]; int3",
    "calls a hypervisor": "mov eax, 5; vmcall; jmp .",
    "calls another hypervisor": "mov eax, 5; vmmcall; jmp .",
    "reads a model register": "mov ecx, 0xc0000080; rdmsr; mov ecx, 0x1234; rdmsr; jmp .",
    "writes the base of the APIC": "mov ecx, 0x1b; mov eax, -1; xor edx, edx; wrmsr; jmp .",
    "writes the time stamp counter": "mov ecx, 0x10; xor eax, eax; xor edx, edx; wrmsr; jmp .",
    "asks for a paravirtual clock": "mov ecx, 0x4b564d01; mov eax, 0x1001; xor edx, edx; wrmsr; jmp .",
    "maps where no memory is and reads": _mapped(0x8000_0000) + "mov rax, [0x2200000]",
    "maps where no memory is and writes": _mapped(0x8000_0000) + "mov [0x2200000], rax",
    "maps the APIC and writes": _mapped(0xFEE0_0000) + "mov dword ptr [0x22000b0], 0",
    "maps the snapshot and writes": _mapped(0) + "mov [0x2204000], rax",
    "maps the end of physical memory": _mapped(0xF_FFFF_FFE0_0000) + "mov rax, [0x2200000]",
    "jumps out of its image": "movabs rax, 0x7f0000000000; jmp rax",
    "aborts without end": f"mov eax, 0x41414103; 1: out {_ABORT}, eax; jmp 1b",
    "aborts with a text": f"mov eax, 0xff410002; out {_ABORT}, eax; mov eax, 0xff01; out {_ABORT}, eax; jmp .",
    "prints what is no character": f"mov eax, -1; out {_PRINT}, eax; jmp .",
    "reads from every port": "xor edx, edx; 1: in al, dx; inc edx; cmp edx, 65536; jne 1b; jmp .",
    "writes from the last port down": "mov edx, 65535; 1: out dx, al; dec edx; jns 1b; jmp .",
    "writes a string to a port": "mov edx, 0x3f8; mov ecx, 4096; mov rsi, rsp; sub rsi, 4096; rep outsb; jmp .",
    "notifies of nothing and halts": f"mov ecx, 100; 1: out {_NOTIFY}, eax; loop 1b; out {_HALT}, eax",
}
ENDLESS = {
    "loops": "1: jmp 1b",
    "asks what the processor is": "1: xor eax, eax; cpuid; jmp 1b",
    "flushes its caches": "1: wbinvd; jmp 1b",
    "flushes its page tables": "1: mov rax, cr3; mov cr3, rax; jmp 1b",
    "notifies of nothing": f"1: out {_NOTIFY}, eax; jmp 1b",
}
# Copies the transport's own memory from `blob`, rings, mailbox and the first page of buffers, and notifies of it.
_TRANSPORT = f"""
    movabs rdx, {_SCRATCH_OFFSET:#x}
    movabs rdi, {_ARENA:#x}
    mov rdi, [rdi]
    add rdi, rdx
    lea rsi, [rip + blob]
    mov ecx, 8192
    rep movsb
    mov ecx, 4
1:  out {_NOTIFY}, eax
    loop 1b
    out {_HALT}, eax
    jmp .
    .balign 16
blob:
    .ascii "BLOB BEGINS HERE"
    .zero 8176
"""
_BLOB = b"BLOB BEGINS HERE"
# A call of the host's one function, in the library's flatbuffers; the length of its argument is at 80.
_CONTROL = bytes.fromhex(
    "5c00000014000000000000000c00100008000c00060007000c00000000000209380000000400000001000000"
    "0c00000008000e0007000800080000000000000a0c000000000006000c0004000600000034120000"
    "000000000300000061736b00"
)


def write_to_port(port: int, value: int) -> str:
    """The source of a kernel that writes one value to one port, as byte, word and double word, and halts."""
    return f"mov edx, {port}; mov eax, {value}; out dx, eax; out dx, ax; out dx, al; out {_HALT}, al"


@functools.cache
def assemble(source: str, *options: str) -> bytes:
    """Returns a static ELF whose entry point is the first instruction of a source in Intel's syntax."""
    assert GCC is not None
    head = ".intel_syntax noprefix\n.section .note.GNU-stack\n.text\n.globl _start\n_start:\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel"
        command = [
            GCC,
            "-nostdlib",
            "-static",
            "-no-pie",
            "-Wl,--build-id=none",
            f"-Wl,-Ttext-segment={BASE:#x}",
        ]
        command += [*options, "-o", str(path), "-x", "assembler", "-"]
        subprocess.run(command, input=(head + source + "\n").encode(), check=True, capture_output=True)
        return path.read_bytes()


def transport_of(blob: bytes) -> bytes:
    """A kernel that puts these bytes, up to 8192, where the host looks for its queues, and tells it to look."""
    elf = assemble(_TRANSPORT)
    at = elf.index(_BLOB)
    return elf[:at] + blob[:8192].ljust(8192, b"\0") + elf[at + 8192 :]


def asking(turn: bytes) -> bytes:
    """A kernel that asks the host with a turn, up to 3,900 bytes, as ours does: one call of `ask` through the queue."""
    return transport_of(_rings(_call(turn)))


def mutated_call(seed: int) -> bytes:
    """The same, with the call that carries a turn changed in a few places."""
    rng = random.Random(seed)
    call = bytearray(_call(b"turn"))
    for _ in range(rng.randint(1, 4)):
        call[rng.randrange(len(call) - 4)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return transport_of(_rings(bytes(call)))


def _call(turn: bytes) -> bytes:
    control = _CONTROL[:80] + struct.pack("<I", len(turn)) + _CONTROL[84:]
    return struct.pack("<B3xII", 1, 1, len(control) + len(turn)) + control + turn


def _rings(message: bytes) -> bytes:
    """Rings with one request: a buffer with a message, and one for the answer, and buffers of their own behind."""
    buffers = _SCRATCH_END - _SCRATCH_BYTES + 4096
    request = struct.pack("<QIHH", buffers, len(message), 0, 0x81)
    answer = struct.pack("<QIHH", buffers + 4096, 16384, 0, 0x82)
    return (request + answer).ljust(4096, b"\0") + message


def random_transport(seed: int) -> bytes:
    """A kernel with made-up queues: descriptors that point into the transport, beside it, or anywhere, to messages."""
    rng = random.Random(seed)
    arena = _SCRATCH_END - _SCRATCH_BYTES
    descriptors = []
    for _ in range(128):
        address = rng.choice((arena + 4096, arena + rng.randrange(1 << 20), arena - 64, rng.getrandbits(64)))
        length = rng.choice((0, 1, 16, 64, 4096, 16384, 0x7FFF_FFFF, 0xFFFF_FFFF, rng.getrandbits(16)))
        flags = rng.choice((0x80, 0x80, 0x81, 0x82, 0x83, 0x84, 0x8080, rng.getrandbits(16)))
        descriptors.append(struct.pack("<QIHH", address, length, rng.randrange(70), flags))
    rings = b"".join(descriptors)[: 0x408 + 0x208]
    message = bytes((rng.randrange(6), rng.randrange(3))) + rng.randbytes(rng.choice((6, 14, 4094)))
    return transport_of(rings.ljust(4096, b"\1") + message)


def elf(
    *,
    ident: bytes = b"\x7fELF\x02\x01\x01",
    kind: int = 2,
    machine: int = 62,
    entry: int = BASE,
    header_offset: int = 64,
    header_bytes: int = 56,
    count: int | None = None,
    segments: tuple[tuple[int, ...], ...] = ((1, 5, 0, BASE, 4096, 4096),),
    size: int = 4096,
) -> bytes:
    """A file made of its fields; each segment is its type, flags, offset, address, bytes in the file and in memory."""
    claimed = len(segments) if count is None else count
    head = ident.ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", kind, machine, 1, entry, header_offset, 0, 0, 64, header_bytes, claimed, 64, 0, 0
    )
    table = b"".join(
        struct.pack("<IIQQQQQQ", type_, flags, offset, at, at, in_file, in_memory, 4096)
        for type_, flags, offset, at, in_file, in_memory in segments
    )
    return (head + table).ljust(size, b"\xf4")
