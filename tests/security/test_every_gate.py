"""Each request that a guest can make has a test for each way that it can be decided; those of files are tried here.

The requests come from `docs/abi.md`, and what tests try from what they say (`gates.py`).
"""

import errno
import os
import subprocess
import sys

import pytest

import gates
from hypercell import Mount

# What a program does for an operation to be asked for, in the directory `at`.
OPERATIONS = {
    "mounts": "os.path.isdir(at)",
    "stat": "os.stat(at + '/file').st_size == 3",
    "open": "open(at + '/file').close() is None",
    "fstat": "os.fstat(os.open(at + '/file', os.O_RDONLY)).st_size == 3",
    "read": "open(at + '/file').read() == 'old'",
    "write": "open(at + '/file', 'r+').write('new') == 3",
    "truncate": "os.truncate(at + '/file', 1) is None",
    "sync": "os.fsync(os.open(at + '/file', os.O_RDWR)) is None",
    "list": "'file' in os.listdir(at)",
    "close": "os.close(os.open(at + '/file', os.O_RDONLY)) is None",
    "mkdir": "os.mkdir(at + '/made') is None",
    "chmod": "os.chmod(at + '/file', 0o600) is None",
    "unlink": "os.unlink(at + '/file') is None",
    "rmdir": "os.rmdir(at + '/empty') is None",
    "rename": "os.rename(at + '/file', at + '/other') is None",
    "readlink": "os.readlink(at + '/link') == 'file'",
    "utime": "os.utime(at + '/file', (1, 1)) is None",
}
# Those that change what a mount holds, and are denied where it is read-only.
CHANGES = ("write", "truncate", "mkdir", "chmod", "unlink", "rmdir", "rename", "utime")
# Those that a link which leads out of the mount is refused to.
THROUGH_LINKS = ("stat", "open", "readlink")


def each(names, aspect):
    """A parameter for each operation, which says what it covers."""
    return [pytest.param(name, marks=pytest.mark.gate(f"file.{name}", aspect=aspect)) for name in names]


def tree(folder):
    """Name, kind, mode, time and contents of everything in a directory."""
    shown = []
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        contents = path.read_text() if path.is_file() else None
        shown.append((path.relative_to(folder), stat.st_mode, stat.st_mtime_ns, contents))
    return shown


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    (folder / "empty").mkdir(parents=True)
    (folder / "file").write_text("old")
    (folder / "link").symlink_to("file")
    return folder


@pytest.mark.parametrize("name", each(OPERATIONS, "allowed"))
def test_operation_is_allowed_in_a_writable_mount(make_sandbox, data, name):
    before = tree(data)
    result = make_sandbox(mounts=[Mount(data, "/data", mode="rw")]).run(
        f"import os\n{OPERATIONS[name]}", inputs={"at": "/data"}
    )
    assert (result.error, result.value) == (None, True)
    assert (tree(data) != before) is (name in CHANGES)


@pytest.mark.parametrize("name", each(OPERATIONS, "denied_by_default"))
def test_operation_finds_no_file_of_the_host_without_a_mount(make_sandbox, data, name):
    before = tree(data)
    result = make_sandbox().run(f"import os\n{OPERATIONS[name]}", inputs={"at": str(data)})
    if name == "mounts":
        assert result.value is False
    else:
        assert result.error.type == "FileNotFoundError"
    assert tree(data) == before


@pytest.mark.parametrize("name", each(CHANGES, "denied_by_rule"))
def test_change_is_denied_in_a_read_only_mount(make_sandbox, data, name):
    before = tree(data)
    code = f"import os\ntry: {OPERATIONS[name]}\nexcept OSError as error: number = error.errno\nnumber"
    result = make_sandbox(mounts=[(data, "/data")]).run(code, inputs={"at": "/data"})
    assert result.value == errno.EROFS
    assert tree(data) == before


@pytest.mark.parametrize("name", each(THROUGH_LINKS, "denied_by_rule"))
def test_operation_through_a_link_that_leads_out_is_denied(make_sandbox, data, tmp_path, name):
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "out").symlink_to("../data")
    code = f"import os\ntry: {OPERATIONS[name]}\nexcept OSError as error: number = error.errno\nnumber"
    box = make_sandbox(mounts=[(tmp_path / "mounted", "/data")])
    assert box.run(code, inputs={"at": "/data/out"}).value in (errno.EACCES, errno.ENOENT)


def test_each_request_is_tried_in_each_way():
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "gates",
        "-p",
        "no:cacheprovider",
    ]
    environment = {**os.environ, "PYTHONPATH": str(gates.ROOT / "tests")}
    folders = [gates.ROOT / "tests" / name for name in ("functional", "security")]
    collected = subprocess.run(
        [*command, *map(str, folders)], capture_output=True, text=True, timeout=100, env=environment
    )
    assert collected.returncode == 0, collected.stdout + collected.stderr
    lines = [line.split()[1:] for line in collected.stdout.splitlines() if line.startswith("gate ")]
    claims = {(name, aspect) for name, aspect in lines} | gates.claims_in_rust()
    requests = gates.requests()
    assert {"Output", "HttpSend", "file.open"} <= requests
    every = {(name, aspect) for name in requests for aspect in gates.ASPECTS}
    assert sorted(claims - every) == [], "no such request or aspect"
    assert sorted(set(gates.WITHOUT_MEANING) - every) == [], "no such request or aspect"
    assert sorted(claims & set(gates.WITHOUT_MEANING)) == [], "has a test, so it has a meaning"
    assert sorted(every - claims - set(gates.WITHOUT_MEANING)) == [], "nobody tries these"
