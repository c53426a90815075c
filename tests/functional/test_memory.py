"""Memory of gibibytes."""

import pytest

import hypercell
from hypercell import Image, Limits

MIB = 1 << 20
# mmap(2) and mprotect(2) past Python, with results of -errno.
MAPPING = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_ssize_t
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
NONE, READ, WRITE, PRIVATE, NORESERVE = 0, 1, 3, 0x22, 0x4022
MIB = 1 << 20
def mmap(size, protection=WRITE, flags=PRIVATE):
    address = libc.mmap(None, size, protection, flags, -1, 0)
    return address if address != -1 else -ctypes.get_errno()
def touch(address, pages, step=4096):
    for page in range(pages):
        ctypes.memset(address + page * step, 1, 1)
def left():
    import shutil
    return shutil.disk_usage("/tmp").free
"""


@pytest.mark.slow
def test_memory_above_two_gibibytes_is_there(make_sandbox):
    memory_bytes = 4 << 30
    image = Image.from_environment(memory_bytes=memory_bytes)
    box = make_sandbox(image=image, limits=Limits(memory_bytes=memory_bytes, wall_time_s=60), prepared=0)
    code = """
at = mmap(3072 * MIB)
touch(at, 3072, MIB)
sum(ctypes.string_at(at + one * MIB, 1)[0] for one in range(3072)), mmap(4096 * MIB)
"""
    assert box.run(MAPPING + code).value == (3072, -12)


@pytest.mark.slow
def test_snapshot_of_more_than_a_gibibyte_goes_on(make_sandbox):
    memory_bytes = 2 << 30
    image = Image.from_environment(memory_bytes=memory_bytes)
    limits = Limits(memory_bytes=memory_bytes, wall_time_s=120)
    box = make_sandbox(image=image, limits=limits, keep_state=True, prepared=0)
    box.run("data = [bytearray(b'x') * (64 << 20) for _ in range(20)]")
    with hypercell.Sandbox.from_snapshot(box.snapshot(), limits=limits) as copy:
        check = "for one in data: one[::1 << 20] = bytes(64)\n[sum(map(one.count, b'x')) for one in data]"
        assert copy.run(check).value == [(64 << 20) - 64] * 20
