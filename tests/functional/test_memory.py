"""What counts against `Limits.memory_bytes`, and when: decision 0016."""

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
# What the file system keeps free of its own space.
RESERVE_BYTES = 2 * MIB


@pytest.fixture
def box(make_sandbox):
    return make_sandbox(limits=Limits(memory_bytes=128 * MIB, wall_time_s=60))


@pytest.mark.parametrize(
    "code",
    [
        "bytearray(10**12)",
        "bytearray((128 << 20) + 1)",
        "b'x' * ((128 << 20) + 1)",
        "[0] * 10**9",
        "data = []\nwhile True: data.append(len(data))",
        "data = []\nwhile True: data.append(None)",
        "one, two = [], []\nwhile True: one.append(None); two.append(None)",
        "data = {}\nwhile True: data[len(data)] = None",
        "data = set()\nwhile True: data.add(len(data))",
        "def grow():\n    text = 'x'\n    while True: text += 'y' * 1000\ngrow()",
        "text = 'x'\nwhile True: text += text",
        "data = bytearray()\nwhile True: data += bytes(100_000)",
        "import io\nfile = io.BytesIO()\nwhile True: file.write(bytes(1 << 16))",
        "data = []\nwhile True: data.append(bytearray(b'x') * (20 << 20))",
        "data = []\nwhile True: data.append(bytes(20 << 20))",
    ],
)
def test_program_that_grows_to_the_limit_gets_a_memory_error(box, code):
    result = box.run(code)
    assert result.error.type == "MemoryError"
    assert result.usage.memory_peak_bytes <= 128 * MIB
    assert box.run("len(bytes(1 << 20))").value == MIB


@pytest.mark.parametrize(
    "reserve",
    ["mmap(1024 * MIB, WRITE, NORESERVE)", "mmap(1024 * MIB, NONE)", "mmap(300 * 1024 * MIB, NONE)"],
)
def test_reserved_memory_counts_when_it_is_touched(box, reserve):
    code = f"""
before = left()
at = {reserve}
reserved = left()
done = libc.mprotect(at + 512 * MIB, MIB, WRITE)
touch(at + 512 * MIB, 256)
[at > 0, done, before - reserved < MIB, MIB <= reserved - left() < 2 * MIB]
"""
    result = box.run(MAPPING + code)
    assert result.value == [True, 0, True, True]
    assert result.usage.memory_peak_bytes < 16 * MIB


def test_large_memory_counts_by_touched_pages_and_no_more_when_it_is_given_back(box):
    code = """
before = left()
ends = [mmap(40 * MIB) for _ in range(3)]
untouched = before - left()
touch(ends[0], 40 * MIB // 4096)
touched = before - left()
for one in ends:
    libc.munmap(ctypes.c_void_p(one), 40 * MIB)
[untouched < MIB, touched // (40 * MIB), before - left() < MIB]
"""
    assert box.run(MAPPING + code).value == [True, 1, True]


def test_buffer_that_grows_counts_whole(box):
    code = """
libc.mremap.restype = ctypes.c_ssize_t
libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]
before = left()
at = mmap(40 * MIB)
grown = libc.mremap(at, 40 * MIB, 41 * MIB, 1)
touch(grown, 41 * MIB // 4096)
counted = before - left()
again = libc.mremap(grown, 41 * MIB, 128 * MIB, 1), ctypes.get_errno()
libc.munmap(ctypes.c_void_p(grown), 41 * MIB)
[counted // (41 * MIB), again, before - left() < MIB]
"""
    assert box.run(MAPPING + code).value == [1, (-1, 12), True]


def test_untouched_memory_is_promised_up_to_twice_the_limit(box):
    code = "found = [mmap(30 * MIB) for _ in range(10)]\n[one > 0 for one in found].count(True), found[-1]"
    assert box.run(MAPPING + code).value == (8, -12)


@pytest.mark.parametrize("protection", ["READ", "WRITE"])
def test_touch_past_the_limit_ends_the_run_and_the_sandbox_goes_on(box, protection):
    code = f"""
print('before')
at = mmap(1024 * MIB, {protection}, NORESERVE)
sum(ctypes.string_at(at + page * 4096, 1)[0] for page in range(1024 * MIB // 4096))
"""
    with pytest.raises(hypercell.MemoryLimitError) as caught:
        box.run(MAPPING + code)
    error = caught.value
    assert (error.limit, error.maximum, error.unit) == ("memory_bytes", 128 * MIB, "bytes")
    assert error.result.stdout == "before\n"
    assert box.run("len(bytes(1 << 20))").value == MIB


def test_limit_is_reached_where_it_is(make_sandbox):
    box = make_sandbox(limits=Limits(memory_bytes=48 * MIB))
    # Python's own heap and page tables may take some of the room while the pages are touched.
    code = (
        "at = mmap(64 * MIB, WRITE, NORESERVE)\nroom = left() + reserve\ntouch(at, (room + off_by) // 4096)"
    )
    inputs = {"reserve": RESERVE_BYTES, "off_by": -MIB // 2}
    assert box.run(MAPPING + code, inputs=inputs).error is None
    with pytest.raises(hypercell.MemoryLimitError):
        box.run(MAPPING + code, inputs={**inputs, "off_by": MIB // 2})


def test_pages_touched_again_and_again_count_once(box):
    code = """
at = mmap(60 * MIB)
for _ in range(10):
    touch(at, 60 * MIB // 4096)
    libc.madvise(ctypes.c_void_p(at), 60 * MIB, 4)
left() > 60 * MIB
"""
    assert box.run(MAPPING + code).value is True


@pytest.mark.parametrize("protection", ["NONE", "READ", "WRITE"])
@pytest.mark.parametrize("flags", ["PRIVATE", "NORESERVE"])
def test_sizes_that_no_address_space_holds_are_refused(box, protection, flags):
    sizes = [1 << 63, (1 << 64) - 1, (1 << 64) - 4096, 1 << 47, 1 << 40]
    code = f"[mmap(size, {protection}, {flags}) for size in {sizes}]"
    assert box.run(MAPPING + code).value == [-12] * len(sizes)


def test_areas_are_bounded_as_on_linux(box):
    code = """
at, made = mmap(1024 * MIB, NONE), 0
while libc.mprotect(at + made * 8192, 4096, READ) == 0:
    made += 1
(made > 30_000, made * 2 < 65_530, ctypes.get_errno(), mmap(4096))
"""
    assert box.run(MAPPING + code).value == (True, True, 12, -12)
    assert box.run("1").value == 1


def test_snapshot_carries_what_counts(make_sandbox):
    limits = Limits(memory_bytes=128 * MIB, wall_time_s=60)
    box = make_sandbox(limits=limits, keep_state=True)
    box.run("data = bytearray(40 << 20)\ndata[::4096] = bytes(len(data[::4096]))\ndata[:1] = b'x'")
    filled = box.run("data[::4096] = b'y' * len(data[::4096])\n" + MAPPING + "left()").value
    copy = hypercell.Sandbox.from_snapshot(box.snapshot(), limits=limits)
    with copy:
        for one in (box, copy):
            assert abs(one.run("left()").value - filled) < MIB
            assert one.run("data[::4096] = b'z' * len(data[::4096])\nleft()").value <= filled + MIB
            assert one.run("bytearray(70 << 20)").error.type == "MemoryError"
            assert one.run("before = left()\ndata = None\nleft() - before").value // MIB == 40


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
