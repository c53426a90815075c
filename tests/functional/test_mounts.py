"""Mounts: what submitted code reads and writes of the caller's directories, and what becomes of it."""

import contextlib
import os
import stat
import threading
import time
from pathlib import Path

import pytest

import hypercell
from hypercell import Mount


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("first\nsecond\n")
    (folder / "sub" / "b.bin").write_bytes(bytes(range(256)))
    return folder


def open_below(folder):
    """What this process has open there."""
    paths = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            paths.add(entry.readlink())
    return {path for path in paths if path == folder or folder in path.parents}


def denied(box, code):
    """Name and number of the OSError that the code raises."""
    result = box.run(
        f"try:\n    {code}\nexcept OSError as error:\n    seen = (type(error).__name__, error.errno)\nseen"
    )
    result.raise_for_error()
    return result.value


def test_path_alone_is_mounted_at_the_same_place(make_sandbox, data):
    box = make_sandbox(mounts=[data])
    assert box.run("open(name).read()", inputs={"name": str(data / "a.txt")}).value == "first\nsecond\n"
    assert box.run("import os\nos.getcwd(), os.listdir('/tmp')").value[0] == "/tmp"


def test_pair_and_mount_are_found_where_they_say(make_sandbox, data, tmp_path):
    (tmp_path / "work").mkdir()
    box = make_sandbox(mounts=[(data, "/input"), Mount(tmp_path / "work", "/a/b/work", mode="rw")])
    code = "import os\n[sorted(os.listdir(d)) for d in ('/input', '/a', '/a/b', '/a/b/work')]"
    assert box.run(code).value == [["a.txt", "sub"], ["b"], ["work"], []]
    root = set(box.run("import os\nos.listdir('/')").value)
    assert {"input", "a", "tmp", "output"} <= root


@pytest.mark.usefixtures("hypercell_with_image")
@pytest.mark.parametrize("name", ["AsyncSandbox", "Sandbox"])
def test_both_sandboxes_take_mounts_and_relative_paths(data, monkeypatch, name):
    import asyncio

    monkeypatch.chdir(data.parent)
    options = {"mounts": [("data", "/input")], "output_dir": "."}
    code = "open('/output/copy', 'w').write(open('/input/a.txt').read())"
    if name == "Sandbox":
        with hypercell.Sandbox(**options) as box:
            box.run(code).raise_for_error()
    else:

        async def run():
            async with hypercell.AsyncSandbox(**options) as box:
                (await box.run(code)).raise_for_error()

        asyncio.run(run())
    assert (data.parent / "copy").read_text() == "first\nsecond\n"


def test_mount_is_read_only_unless_said(make_sandbox, data):
    box = make_sandbox(mounts=[(data, "/input")])
    read_only = ("OSError", 30)
    for code in (
        "open('/input/new', 'w')",
        "open('/input/a.txt', 'a')",
        "open('/input/a.txt', 'r+')",
        "__import__('os').remove('/input/a.txt')",
        "__import__('os').mkdir('/input/new')",
        "__import__('os').rename('/input/a.txt', '/input/b.txt')",
        "__import__('os').truncate('/input/a.txt', 0)",
        "__import__('os').utime('/input/a.txt')",
        "__import__('os').chmod('/input/a.txt', 0)",
        "__import__('os').rmdir('/input/sub/deep')",
    ):
        assert denied(box, code) == read_only, code
    assert box.run("import os\n[os.access('/input/a.txt', mode) for mode in (os.R_OK, os.W_OK)]").value == [
        True,
        False,
    ]
    assert (data / "a.txt").read_text() == "first\nsecond\n"
    assert sorted(path.name for path in data.iterdir()) == ["a.txt", "sub"]


def test_writable_mount_shows_changes_of_both_sides(make_sandbox, data):
    box = make_sandbox(mounts=[Mount(data, "/work", mode="rw")], keep_state=True)
    box.run(
        "import os\nos.chdir('/work')\nos.makedirs('x/y')\nopen('x/y/z', 'w').write('guest')\n"
        "os.replace('a.txt', 'moved')\nos.utime('moved', (5, 6))\nos.chmod('moved', 0o600)\n"
    ).raise_for_error()
    assert (data / "x" / "y" / "z").read_text() == "guest"
    assert not (data / "a.txt").exists()
    moved = (data / "moved").stat()
    assert (moved.st_atime, moved.st_mtime, stat.S_IMODE(moved.st_mode)) == (5, 6, 0o600)
    (data / "x" / "y" / "z").write_text("host, longer")
    (data / "new").write_text("new")
    assert box.run("open('x/y/z').read(), os.path.getsize('x/y/z'), os.path.exists('new')").value == (
        "host, longer",
        12,
        True,
    )


def test_growing_file_can_be_followed(make_sandbox, data):
    box = make_sandbox(mounts=[(data, "/input")], keep_state=True)
    assert box.run("f = open('/input/a.txt')\nf.read()").value == "first\nsecond\n"
    with (data / "a.txt").open("a") as file:
        file.write("third\n")
    assert box.run("[f.read(), f.read()]").value == ["third\n", ""]
    (data / "a.txt").write_text("shorter")
    assert box.run("f.seek(0)\nf.read()").value == "shorter"


def test_open_file_lives_on_in_kept_state_and_reset_closes_it(make_sandbox, data):
    box = make_sandbox(mounts=[Mount(data, "/work", mode="rw")], keep_state=True)
    box.run("f = open('/work/log', 'w')").raise_for_error()
    assert open_below(data) == {data, data / "log"}
    box.run("f.write('kept')\nf.flush()").raise_for_error()
    assert (data / "log").read_text() == "kept"
    box.reset()
    assert open_below(data) == {data}
    box.close()
    assert open_below(data) == set()


def test_files_are_closed_at_the_end_of_a_fresh_run(make_sandbox, data):
    box = make_sandbox(mounts=[(data, "/input")])
    result = box.run("files = [open('/input/a.txt') for _ in range(50)]\nlen(files)")
    assert (result.value, result.usage.open_files) == (50, 50)
    assert open_below(data) == {data}


def test_links_inside_are_followed_and_others_refused(make_sandbox, data, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (data / "inside").symlink_to("sub/b.bin")
    (data / "sub" / "up").symlink_to("../a.txt")
    (data / "absolute").symlink_to(data / "a.txt")
    (data / "outside").symlink_to("../secret")
    (data / "dangling").symlink_to("none")
    box = make_sandbox(mounts=[(data, "/input")])
    code = """
import os
[os.path.getsize('/input/inside'), open('/input/sub/up').readline(), os.readlink('/input/outside'),
 os.path.islink('/input/outside'), os.path.lexists('/input/dangling'), os.path.exists('/input/dangling'),
 sorted(e.name for e in os.scandir('/input') if e.is_symlink())]
"""
    assert box.run(code).value == [
        256,
        "first\n",
        "../secret",
        True,
        True,
        False,
        ["absolute", "dangling", "inside", "outside"],
    ]
    assert denied(box, "open('/input/absolute')") == ("PermissionError", 13)
    assert denied(box, "open('/input/outside')") == ("PermissionError", 13)


def test_links_in_a_circle_are_an_error(make_sandbox, data):
    (data / "loop").symlink_to("loop")
    box = make_sandbox(mounts=[(data, "/input")])
    assert denied(box, "open('/input/loop')") == ("OSError", 40)
    assert denied(box, "open('/input/a.txt/x')") == ("NotADirectoryError", 20)


def test_mapping_that_is_never_closed_reaches_the_file_at_the_end_of_the_run(make_sandbox, data):
    box = make_sandbox(mounts=[Mount(data, "/work", mode="rw")])
    box.run(
        "import mmap\nf = open('/work/a.txt', 'r+b')\nm = mmap.mmap(f.fileno(), 0)\nm[0:5] = b'FIRST'"
    ).raise_for_error()
    assert (data / "a.txt").read_text() == "FIRST\nsecond\n"


@pytest.mark.gate("file.mounts", aspect="at_limit")
def test_as_many_mounts_as_may_be_with_paths_as_long_as_may_be(make_sandbox, data):
    deep = "/" + "/".join("d" * 200 for _ in range(20))
    mounts = [(data, f"{deep[: 4000 - 3 * 4]}-{n:02}") for n in range(64)]
    box = make_sandbox(mounts=mounts)
    code = "import os\nsum(open(path + '/a.txt').read() == 'first\\nsecond\\n' for path in paths)"
    assert box.run(code, inputs={"paths": [path for _, path in mounts]}).value == 64
    with pytest.raises(hypercell.PolicyError) as caught:
        hypercell.Sandbox(mounts=[*mounts, (data, "/one")])
    assert str(caught.value) == "65 mounts exceed 64"


def test_run_that_reads_for_ever_can_be_cancelled(make_sandbox, data):
    box = make_sandbox(mounts=[(data, "/input")])
    timer = threading.Timer(0.3, box.cancel)
    timer.start()
    with pytest.raises(hypercell.RunCancelledError):
        box.run("while True: open('/input/a.txt').read()")
    timer.join()
    assert box.run("open('/input/a.txt').readline()").value == "first\n"


def test_kept_state_that_is_lost_leaves_no_file_open(make_sandbox, data):
    box = make_sandbox(mounts=[(data, "/input")], keep_state=True, limits=hypercell.Limits(open_files=3))
    box.run("f = open('/input/a.txt')").raise_for_error()
    assert open_below(data) == {data, data / "a.txt"}
    with pytest.raises(hypercell.FileLimitError):
        box.run("more = [open('/input/a.txt') for _ in range(3)]")
    assert open_below(data) == {data}


def test_links_cannot_be_made_in_a_mount(make_sandbox, data):
    box = make_sandbox(mounts=[Mount(data, "/work", mode="rw")])
    for code in (
        "__import__('os').symlink('/etc/passwd', '/work/link')",
        "__import__('os').link('/work/a.txt', '/work/link')",
    ):
        assert denied(box, code) == ("PermissionError", 1)
    assert denied(box, "__import__('os').link('/work/a.txt', '/tmp/link')") == ("OSError", 18)
    assert denied(box, "__import__('os').rename('/work/a.txt', '/tmp/a')") == ("OSError", 18)


def test_dots_lead_from_a_mount_to_the_directory_above_it_in_the_guest(make_sandbox, data):
    box = make_sandbox(mounts=[(data, "/tmp/m/input")])
    code = """
import os
os.chdir('/tmp/m/input/sub')
open('/tmp/own', 'w').write('own')
[open('../../../own').read(), open('../a.txt').readline(), os.path.realpath('../../..'), os.getcwd(),
 os.listdir('../..'), sorted(os.listdir('/tmp')), os.path.samefile('.', '/tmp/m/input/sub/deep/..')]
"""
    assert box.run(code).value == [
        "own",
        "first\n",
        "/tmp",
        "/tmp/m/input/sub",
        ["input"],
        ["m", "own"],
        True,
    ]


def test_mount_point_cannot_be_removed_or_renamed(make_sandbox, data):
    box = make_sandbox(mounts=[Mount(data, "/work", mode="rw"), (data, "/a/b")])
    assert denied(box, "__import__('os').rmdir('/work')") == ("OSError", 16)
    assert denied(box, "__import__('os').rename('/work', '/tmp/x')") == ("OSError", 16)
    assert denied(box, "__import__('os').rmdir('/a')") == ("OSError", 16)
    assert denied(box, "open('/a/new', 'w')") == ("OSError", 30)
    assert data.is_dir()


def test_names_that_are_no_utf8_keep_their_bytes(make_sandbox, data):
    (data / "caf\udce9").write_text("x")
    box = make_sandbox(mounts=[Mount(data, "/work", mode="rw")])
    rename = "import os\nos.rename(b'/work/caf\\xe9', b'/work/\\xff')\n"
    listed, size = box.run(rename + "[os.listdir(b'/work'), os.path.getsize(b'/work/\\xff')]").value
    assert (b"\xff" in listed, size) == (True, 1)
    assert (data / "\udcff").exists()


@pytest.mark.gate("file.list", aspect="at_limit")
def test_directory_of_many_files_is_listed_whole_and_rewound(make_sandbox, data):
    for n in range(3000):
        (data / f"file-{n:05}-{'x' * (n % 90)}").touch()
    box = make_sandbox(mounts=[(data, "/input")])
    code = """
import os
fd = os.open('/input', os.O_RDONLY)
first, again = os.listdir(fd), os.listdir(fd)
len(first), len(set(first)), first == again, sum(1 for _ in os.scandir('/input'))
"""
    assert box.run(code).value == (3002, 3002, True, 3002)


def test_module_is_imported_from_a_mount(make_sandbox, data):
    (data / "helper.py").write_text("def double(n):\n    return 2 * n\n")
    box = make_sandbox(mounts=[(data, "/code")])
    assert box.run("import sys\nsys.path.append('/code')\nimport helper\nhelper.double(21)").value == 42


@pytest.mark.timeout(300)
def test_file_of_a_gibibyte_is_read_with_64_mebibytes_of_memory(make_sandbox, data):
    with (data / "big").open("wb") as file:
        file.truncate(1 << 30)
        file.seek((1 << 30) - 3)
        file.write(b"end")
    box = make_sandbox(
        mounts=[(data, "/input")], limits=hypercell.Limits(memory_bytes=64 << 20, wall_time_s=200)
    )
    code = """
size, last = 0, b""
with open('/input/big', 'rb') as f:
    while piece := f.read(1 << 20):
        size, last = size + len(piece), piece[-3:]
size, last
"""
    result = box.run(code)
    assert (result.value, result.usage.file_read_bytes) == ((1 << 30, b"end"), 1 << 30)
    assert result.usage.memory_peak_bytes < 32 << 20


LIMITS = [
    ("file_read_bytes", 256, "open('/work/sub/b.bin', 'rb', buffering=0).read({})", "bytes"),
    ("file_write_bytes", 100, "open('/work/new', 'wb').write(bytes({}))", "bytes"),
    ("file_write_bytes", 100, "open('/work/new', 'wb').truncate({})", "bytes"),
    ("open_files", 5, "files = [open('/work/a.txt') for _ in range({})]", "files"),
    ("file_count", 7, "[__import__('os').mkdir(f'/work/{{n}}') for n in range({})]", "files"),
]


@pytest.mark.gate("file.open", "file.read", "file.write", "file.truncate", "file.mkdir", aspect="at_limit")
@pytest.mark.parametrize(("limit", "maximum", "code", "unit"), LIMITS)
def test_limit_holds_at_its_edge_and_the_next_run_works(make_sandbox, data, limit, maximum, code, unit):
    if limit == "file_read_bytes":
        (data / "sub" / "b.bin").write_bytes(bytes(1000))
    box = make_sandbox(mounts=[Mount(data, "/work", mode="rw")], limits=hypercell.Limits(**{limit: maximum}))
    result = box.run("print('before')\n" + code.format(maximum))
    result.raise_for_error()
    assert getattr(result.usage, limit) == maximum
    beyond = "import os\nfor n in range(9):\n    if os.path.isdir(f'/work/{n}'): os.rmdir(f'/work/{n}')\n"
    with pytest.raises(hypercell.FileLimitError) as caught:
        box.run("print('before')\n" + beyond + code.format(maximum + 1))
    error = caught.value
    assert (error.limit, error.used, error.maximum, error.unit) == (limit, maximum + 1, maximum, unit)
    assert str(error) == f"{maximum + 1} {unit} exceed {limit}, which is {maximum}"
    assert error.result.stdout == "before\n"
    assert box.run("1 + 1").value == 2


def test_quota_of_a_mount_is_an_error_that_the_code_can_catch(make_sandbox, data):
    box = make_sandbox(mounts=[Mount(data, "/work", mode="rw", max_bytes=1000)])
    code = "f = open('/work/new', 'wb', buffering=0)\nf.write(bytes(1000))\n"
    box.run(code).raise_for_error()
    (data / "new").unlink()
    result = box.run(code + "f.write(b'x')")
    assert (result.error.type, result.error.message) == ("OSError", "[Errno 122] Disk quota exceeded")
    assert (data / "new").stat().st_size == 1000


def test_slow_file_does_not_pass_the_wall_time(make_sandbox, data):
    os.mkfifo(data / "fifo")
    box = make_sandbox(mounts=[(data, "/input")], limits=hypercell.Limits(wall_time_s=1))
    started = time.monotonic()
    assert denied(box, "open('/input/fifo')") == ("PermissionError", 13)
    with pytest.raises(hypercell.TimeLimitError):
        box.run("while True: open('/input/a.txt').read()")
    assert time.monotonic() - started < 10
    assert box.run("1").value == 1


def test_decisions_are_heard_of(make_sandbox, data):
    events = []
    box = make_sandbox(mounts=[(data, "/input")], on_audit=events.append)
    box.run("open('/input/a.txt').close()")
    assert denied(box, "__import__('os').remove('/input/a.txt')") == ("OSError", 30)
    heard = [
        (event.event, event.operation, event.mount, event.path, event.reason)
        for event in events
        if event.event.startswith("file_")
    ]
    assert heard == [
        ("file_allowed", "stat", "/input", "a.txt", None),
        ("file_allowed", "open", "/input", "a.txt", None),
        ("file_allowed", "stat", "/input", "a.txt", None),
        ("file_denied", "unlink", "/input", "a.txt", "read_only"),
    ]


def test_run_that_uses_no_file_leaves_the_vm_no_more_often(make_sandbox, sandbox, data):
    box = make_sandbox(mounts=[(data, "/input")])
    assert box.run("1 + 1").usage.turns == sandbox.run("1 + 1").usage.turns == 1


BAD = [
    (
        ["/nowhere/at/all"],
        'the directory "/nowhere/at/all" cannot be mounted: No such file or directory (os error 2)',
    ),
    ([("/etc", "input")], 'nothing can be mounted at "input" in the guest: it is not absolute'),
    ([("/etc", "/")], 'nothing can be mounted at "/" in the guest: it is the root'),
    (
        [("/etc", "/proc")],
        'nothing can be mounted at "/proc" in the guest: the guest has a directory of its own there',
    ),
    (
        [("/etc", "/python/x")],
        'nothing can be mounted at "/python/x" in the guest: the guest has a directory of its own there',
    ),
    (["/etc"], 'nothing can be mounted at "/etc" in the guest: the guest has a directory of its own there'),
    ([("/etc", "/a"), ("/usr", "/a/b")], 'the mounts at "/a/b" and "/a" overlap'),
    ([("/etc", "/a/../b")], 'nothing can be mounted at "/a/../b" in the guest: it has empty names, . or ..'),
    (
        [("/proc/version", "/a")],
        'the directory "/proc/version" cannot be mounted: Not a directory (os error 20)',
    ),
    ("/etc", "mounts must be a list of directories, got str"),
    (Mount("/etc"), "mounts must be a list of directories, got Mount"),
    (7, "mounts must be a list of directories, got int"),
    ([7], "host of a mount must be str or a path, got int"),
    ([b"/etc"], "host of a mount must be str or a path, got bytes"),
    ([("/etc", "/a", "rw")], "a mount given as a tuple is (host, guest), got ('/etc', '/a', 'rw')"),
    ([""], "host of a mount cannot be ''"),
]


@pytest.mark.usefixtures("hypercell_with_image")
@pytest.mark.parametrize(("mounts", "message"), BAD, ids=[repr(row[0]) for row in BAD])
def test_mount_that_cannot_be_is_refused_with_its_name(mounts, message):
    with pytest.raises(hypercell.PolicyError) as caught:
        hypercell.Sandbox(mounts=mounts)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mounts": "/etc"}, "mounts must be a list of directories, got str"),
        ({"mounts": [7]}, "host of a mount must be str or a path, got int"),
        ({"output_dir": 7}, "output_dir must be str or a path, got int"),
    ],
)
def test_async_sandbox_refuses_what_is_no_path_when_it_is_made(options, message):
    with pytest.raises(hypercell.PolicyError) as caught:
        hypercell.AsyncSandbox(**options)
    assert str(caught.value) == message


def test_mounts_may_be_any_iterable_and_serve_several_sandboxes_at_once(make_sandbox, data):
    boxes = [
        make_sandbox(mounts=(path for path in [(data, "/input")])),
        make_sandbox(mounts=[(data, "/input")], prepared=0),
    ]
    for box in boxes * 2:
        assert box.run("open('/input/a.txt').readline()").value == "first\n"


def test_forked_child_uses_the_mounts_of_its_parents_sandbox(make_sandbox, data):
    box = make_sandbox(mounts=[(data, "/input")])
    box.run("1")
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os._exit(7 if box.run("open('/input/a.txt').readline()").value == "first\n" else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert box.run("open('/input/a.txt').readline()").value == "first\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "w"}, "mode of a mount must be 'ro' or 'rw', got 'w'"),
        ({"mode": "rw", "max_bytes": 1.5}, "max_bytes of a mount must be int or None, got float"),
        ({"mode": "rw", "max_bytes": -1}, f"max_bytes of a mount must be 0 to {1 << 50}, got -1"),
        ({"max_bytes": 5}, "max_bytes of a mount means nothing unless its mode is 'rw'"),
        ({"guest": 5}, "guest of a mount must be str or a path, got int"),
        ({"guest": "/a\0b"}, "guest of a mount cannot be '/a\\x00b'"),
    ],
)
def test_mount_with_a_setting_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(hypercell.PolicyError) as caught:
        Mount("/etc", **arguments)
    assert str(caught.value) == message


def test_mount_does_not_change_and_its_repr_can_be_pasted_back():
    mount = Mount("/data", "/input", mode="rw", max_bytes=5)
    assert eval(repr(mount)) == mount
    with pytest.raises(AttributeError):
        mount.mode = "ro"
