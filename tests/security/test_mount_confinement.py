"""Submitted code, and a host that moves things meanwhile, cannot bring a run out of its mounts.

Evidence: each attack is tried by code in a real micro-VM on a mount beside which a secret lies; the races count that
both outcomes came up. That the gate holds against a guest kernel that was taken over is tried in
crates/host/src/gate/mount/tests.rs, which sends what no honest kernel does.
"""

import ctypes
import os
import threading
import time

import pytest

import hypercell
from hypercell import Mount

SECRET = "secret of the host"


@pytest.fixture
def places(tmp_path):
    """A mounted directory, and one beside it that is not."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside / "sub", outside):
        folder.mkdir(parents=True)
    (inside / "file").write_text("mine")
    (inside / "sub" / "file").write_text("mine")
    for name in ("secret", "file"):
        (outside / name).write_text(SECRET)
    return inside, outside


@pytest.fixture
def box(make_sandbox, places):
    return make_sandbox(mounts=[Mount(places[0], "/work", mode="rw")])


PRELUDE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    value = libc.syscall(number, *arguments)
    if value == -1:
        raise OSError(ctypes.get_errno(), "refused")
    return value
def read_at(*steps):
    "Opens names one below the other, by descriptors."
    fd = os.open(steps[0], os.O_PATH)
    for step in steps[1:-1]:
        fd = os.open(step, os.O_PATH, dir_fd=fd)
    return os.read(os.open(steps[-1], os.O_RDONLY, dir_fd=fd), 100).decode()
"""

# Each ends with what it read; nothing or the guest's own is fine, an exception too.
ATTACKS = {
    "dots": "open('/work/../outside/secret').read()",
    "many dots": "open('/work/' + '../' * 40 + 'etc/shadow').read()",
    "dots behind a directory": "open('/work/sub/../../outside/secret').read()",
    "dots by descriptors": "read_at('/work', 'sub', '..', '..', 'outside', 'secret')",
    "an absolute path by a descriptor": "read_at('/work', outside + '/secret')",
    "a relative link": "open('/work/relative').read()",
    "an absolute link": "open('/work/absolute').read()",
    "a link to a directory": "open('/work/folder/secret').read()",
    "a link to a directory, by descriptors": "read_at('/work', 'folder', 'secret')",
    "a link to a link": "open('/work/twice').read()",
    "a link to the host's root": "open('/work/root' + outside + '/secret').read()",
    "a link to /proc/self/root": "open('/work/magic' + outside + '/secret').read()",
    "a link to /proc/self/cwd": "open('/work/cwd/secret').read()",
    "a link to a descriptor": "open('/work/fd').read()",
    "the guest's /proc/self/root": "open('/proc/self/root' + outside + '/secret').read()",
    "the guest's /proc/self/cwd": "(os.chdir('/work'), open('/proc/self/cwd/../outside/secret').read())[1]",
    "the guest's /proc/self/fd": "open(f'/proc/self/fd/{os.open(\"/work\", os.O_PATH)}/../outside/secret').read()",
    "chdir and dots": "(os.chdir('/work/sub'), os.chdir('..'), os.chdir('..'), open('outside/secret').read())[3]",
    "chdir through a link": "(os.chdir('/work/folder'), open('secret').read())[1]",
    "renaming a link": "(os.rename('/work/relative', '/work/sub/moved'), open('/work/sub/moved').read())[1]",
    "renaming from outside": "(os.rename('/work/folder/secret', '/work/taken'), open('/work/taken').read())[1]",
    "renaming to outside": "(os.rename('/work/file', '/work/folder/gift'), '')[1]",
    "writing through a link": "(open('/work/relative', 'w').write('x'), '')[1]",
    "creating through a link": "(open('/work/folder/new', 'w').write('x'), '')[1]",
    "removing through a link": "(os.remove('/work/folder/secret'), '')[1]",
    "making a directory through a link": "(os.mkdir('/work/folder/new'), '')[1]",
    "truncating through a link": "(os.truncate('/work/absolute', 0), '')[1]",
    "changing modes through a link": "(os.chmod('/work/relative', 0o777), '')[1]",
    "making a link out": "(os.symlink(outside, '/work/made'), open('/work/made/secret').read())[1]",
    "making a hard link": "(os.link('/work/relative', '/work/hard'), open('/work/hard').read())[1]",
    "making a device": "(os.mknod('/work/disk', 0o60600, os.makedev(8, 0)), '')[1]",
    "making a FIFO": "(os.mkfifo('/work/fifo'), '')[1]",
    "mounting": "(call(165, b'/work', b'/work', None, 4096, None), '')[1]",
    "a file handle": "(call(304, -100, b'', 0), '')[1]",
    "a name with NUL": "open('/work/fi\\0le').read()",
    "a name with NUL in C": "(call(2, b'/work/sub/..\\0', 0), '')[1]",
    "a very long name": "open('/work/' + 'x' * 5000).read()",
    "a very long path": "open('/work/' + 'sub/../' * 2000 + '../outside/secret').read()",
    "an empty name": "read_at('/work', '')",
    "slashes": "open('//work//..//outside///secret').read()",
    "mapping a link": "__import__('mmap').mmap(os.open('/work/absolute', os.O_RDONLY), 0)[:].decode()",
}


@pytest.mark.parametrize("what", ATTACKS)
def test_attack_reads_and_changes_nothing_outside(box, places, what):
    inside, outside = places
    (inside / "relative").symlink_to("../outside/secret")
    (inside / "absolute").symlink_to(outside / "secret")
    (inside / "folder").symlink_to("../outside")
    (inside / "twice").symlink_to("relative")
    (inside / "root").symlink_to("/")
    (inside / "magic").symlink_to("/proc/self/root")
    (inside / "cwd").symlink_to("/proc/self/cwd")
    held = os.open(outside / "secret", os.O_RDONLY)
    (inside / "fd").symlink_to(f"/proc/self/fd/{held}")
    before = sorted((path.name, path.read_text(), path.stat().st_mode) for path in outside.iterdir())
    attempt = f"try:\n    seen = {ATTACKS[what]}\nexcept (OSError, ValueError) as error:\n    seen = ''\nseen"
    result = box.run(PRELUDE + attempt, inputs={"outside": str(outside)})
    os.close(held)
    assert (result.error, SECRET in str(result.value)) == (None, False)
    after = sorted((path.name, path.read_text(), path.stat().st_mode) for path in outside.iterdir())
    assert after == before
    assert not any(path.is_fifo() or path.is_block_device() for path in inside.iterdir())
    assert box.run("open('/work/file').read()").value == "mine"


RENAME_EXCHANGE, AT_FDCWD = 2, -100


class Swapper:
    """Exchanges two names again and again on a thread of its own."""

    def __init__(self, one, other):
        self.names = [os.fsencode(one), os.fsencode(other)]
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._swap)

    def _swap(self):
        libc = ctypes.CDLL(None, use_errno=True)
        one, other = self.names
        while not self.stopped.is_set():
            assert libc.renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) == 0
            time.sleep(0.0001)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()


LOOK = """
seen = {}
for _ in range(100_000):
    try:
        with open(path) as f:
            what = f.read()
    except OSError as error:
        what = type(error).__name__
    seen[what] = seen.get(what, 0) + 1
    if len(seen) > 1 and min(seen.values()) > 50:
        break
seen
"""


@pytest.mark.parametrize("swapped", ["file", "directory"])
def test_link_swapped_in_while_code_opens_a_file_never_leaks(make_sandbox, places, swapped):
    inside, outside = places
    if swapped == "file":
        (inside / "link").symlink_to(outside / "secret")
        names, path = (inside / "file", inside / "link"), "/work/file"
    else:
        (inside / "link").symlink_to("../outside")
        names, path = (inside / "sub", inside / "link"), "/work/sub/file"
    box = make_sandbox(mounts=[(inside, "/work")])
    with Swapper(*names):
        seen = box.run(LOOK, inputs={"path": path}).value
    assert set(seen) == {"mine", "PermissionError"}, "the race did not happen"
    assert min(seen.values()) > 50


def test_mounted_directory_that_is_replaced_stays_the_same(box, places):
    inside, outside = places
    moved = inside.parent / "moved"
    inside.rename(moved)
    inside.symlink_to(outside)
    assert box.run("open('/work/file').read()").value == "mine"
    box.run("open('/work/new', 'w').write('x')").raise_for_error()
    assert (moved / "new").read_text() == "x"
    assert not (outside / "new").exists()


def test_fifo_and_socket_are_refused_at_once_whatever_for(make_sandbox, places):
    inside, _ = places
    os.mkfifo(inside / "fifo")
    box = make_sandbox(mounts=[Mount(inside, "/work", mode="rw")], limits=hypercell.Limits(wall_time_s=20))
    code = """
import os
def outcome(flags):
    try:
        return os.open('/work/fifo', flags)
    except OSError as error:
        return error.errno
[outcome(flags) for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_NONBLOCK)]
"""
    started = time.monotonic()
    assert box.run(code).value == [13] * 4
    assert time.monotonic() - started < 10


def test_device_in_a_mount_is_refused(make_sandbox):
    box = make_sandbox(mounts=[("/dev", "/host")])
    code = """
def outcome(name):
    try:
        return open('/host/' + name, 'rb', buffering=0).read(1)
    except OSError as error:
        return error.errno
[outcome(name) for name in ('null', 'zero', 'urandom', 'kvm')]
"""
    assert set(box.run(code).value) <= {13, 2}


def test_set_id_bits_cannot_be_set(box, places):
    code = """
import os
os.chmod('/work/file', 0o6755)
os.close(os.open('/work/made', os.O_CREAT | os.O_WRONLY, 0o6755))
os.mkdir('/work/folder', 0o7777)
"""
    box.run(code).raise_for_error()
    for name in ("file", "made", "folder"):
        assert (places[0] / name).stat().st_mode & 0o7000 == 0, name


def test_offsets_and_sizes_without_sense_are_errors(box, places):
    code = """
import os
fd = os.open('/work/file', os.O_RDWR)
def outcome(attempt):
    try:
        return attempt()
    except (OSError, OverflowError) as error:
        return type(error).__name__
top = (1 << 63) - 1
[outcome(attempt) for attempt in (
    lambda: os.pread(fd, 1, top), lambda: os.pread(fd, 1, -1), lambda: os.pread(fd, 1, top - 1),
    lambda: os.pwrite(fd, b'x', top), lambda: os.pwrite(fd, b'x', -1), lambda: os.ftruncate(fd, -1),
    lambda: os.lseek(fd, top, os.SEEK_SET), lambda: os.write(fd, b'x'), lambda: os.pread(fd, 100, 0),
    lambda: os.lseek(fd, 1, os.SEEK_CUR),
)]
"""
    assert box.run(code).value == [
        "OSError",
        "OSError",
        b"",
        "OSError",
        "OSError",
        "OSError",
        (1 << 63) - 1,
        "OSError",
        b"mine",
        "OSError",
    ]
    assert (places[0] / "file").read_text() == "mine"


def test_file_without_end_is_a_limit_of_the_run(box):
    with pytest.raises(hypercell.FileLimitError) as caught:
        box.run("import os\nos.truncate('/work/file', (1 << 63) - 1)")
    assert caught.value.limit == "file_write_bytes"
    assert box.run("open('/work/file').read()").value == "mine"


def test_ten_thousand_open_files_end_the_run_and_nothing_else(box):
    code = "import os\nfor _ in range(10_000): os.open('/work/file', os.O_RDONLY)"
    with pytest.raises(hypercell.FileLimitError) as caught:
        box.run(code)
    assert (caught.value.limit, caught.value.used) == ("open_files", 257)
    assert box.run("open('/work/file').read()").value == "mine"


def test_program_cannot_speak_to_the_gate_by_itself(box):
    code = """
import os
frame = b'HCEL' + (1).to_bytes(2, 'little') + (0x190).to_bytes(2, 'little')
body = b'\\xa1\\x62op\\x66mounts'
fd = os.open('/dev/hypercell', os.O_RDWR)
try:
    os.write(fd, frame + len(body).to_bytes(4, 'little') + bytes(4) + body)
except OSError as error:
    seen = error.errno
seen
"""
    assert box.run(code).value == 22


def test_nothing_is_mounted_by_default(sandbox, places):
    code = "import os\n[os.path.exists(path) for path in ('/work', path, '/host', '/mnt', '/home')]"
    assert sandbox.run(code, inputs={"path": str(places[0])}).value == [False] * 5
