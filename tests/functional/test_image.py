"""The image cache: where it may be, what damage does, and two processes that need it at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("hypercell_with_image"),
]

RUN = "import hypercell\nwith hypercell.Sandbox() as box: print(box.run('6 * 7').value)"
REPORT = """
import hypercell
try:
    hypercell.Sandbox()
except hypercell.HypercellError as error:
    print(type(error).__name__, error)
"""


def python(code: str, cache: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "HYPERCELL_CACHE_DIR": str(cache), **environment},
        capture_output=True,
        text=True,
        timeout=200,
    )


@pytest.fixture(scope="module")
def built_cache(tmp_path_factory):
    """A cache directory of its own with this interpreter's image in it."""
    cache = tmp_path_factory.mktemp("cache")
    done = python(RUN, cache)
    assert (done.stdout, done.returncode) == ("42\n", 0), done.stderr
    return cache


def test_second_process_loads_the_same_entry(built_cache):
    entries = files_of(built_cache)
    assert python(RUN, built_cache).stdout == "42\n"
    assert files_of(built_cache) == entries
    assert len(list((built_cache / "images").iterdir())) == 1


def test_cache_and_its_entries_are_the_users_alone(built_cache):
    modes = {path.stat().st_mode & 0o077 for path in built_cache.rglob("*")}
    assert modes == {0}


@pytest.mark.parametrize("place", ["in_a_file", "in_proc", "is_a_file"])
def test_cache_that_cannot_be_written_is_an_image_error_that_says_what_to_set(tmp_path, place):
    (tmp_path / "file").write_text("")
    cache = {
        "in_a_file": tmp_path / "file" / "cache",
        "in_proc": Path("/proc/cache"),
        "is_a_file": tmp_path / "file",
    }[place]
    done = python(REPORT, cache)
    assert done.stdout.startswith(f"ImageError cannot use the image cache {cache}: "), done.stderr
    assert done.stdout.endswith("; set HYPERCELL_CACHE_DIR to a directory of your own\n")


def test_cache_that_others_may_write_is_refused(tmp_path):
    cache = tmp_path / "open"
    cache.mkdir()
    cache.chmod(0o777)
    assert python(REPORT, cache).stdout.startswith(f"ImageError cannot use the image cache {cache}: ")


@pytest.mark.parametrize("damage", ["cut", "emptied", "removed", "garbled_metadata", "garbled_key"])
def test_damaged_entry_is_built_again(built_cache, damage):
    snapshot = max(
        (p for p in (built_cache / "images").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size
    )
    metadata = next((built_cache / "images").rglob("image.json"))
    key = next((built_cache / "keys").iterdir())
    if damage == "cut":
        os.truncate(snapshot, snapshot.stat().st_size // 2)
    elif damage == "emptied":
        os.truncate(snapshot, 0)
    elif damage == "removed":
        snapshot.unlink()
    elif damage == "garbled_metadata":
        metadata.write_bytes(b"{" + os.urandom(100))
    else:
        key.write_bytes(os.urandom(100))
    done = python(
        RUN.replace("import hypercell", "import hypercell, warnings\nwarnings.simplefilter('ignore')"),
        built_cache,
    )
    assert (done.stdout, done.returncode) == ("42\n", 0), done.stderr
    assert python(RUN, built_cache).stdout == "42\n"
    assert len([p for p in (built_cache / "images").iterdir() if not p.name.startswith(".tmp-")]) == 1


def test_two_processes_that_need_a_new_image_build_it_once(tmp_path):
    cache = tmp_path / "cache"
    environment = {**os.environ, "HYPERCELL_CACHE_DIR": str(cache)}
    both = [
        subprocess.Popen([sys.executable, "-c", RUN], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=200)[0] for process in both] == ["42\n", "42\n"]
    assert len(list((cache / "images").iterdir())) == 1


def test_build_that_was_killed_leaves_nothing_that_matters(tmp_path):
    cache = tmp_path / "cache"
    process = subprocess.Popen(
        [sys.executable, "-c", RUN], env={**os.environ, "HYPERCELL_CACHE_DIR": str(cache)}
    )
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.7)
    process.kill()
    process.wait()
    done = python(RUN, cache)
    assert (done.stdout, done.returncode) == ("42\n", 0), done.stderr
    assert [p.name for p in (cache / "images").iterdir() if p.name.startswith(".tmp-")] == []


def files_of(cache: Path) -> dict[str, int]:
    """Times of an entry's files. That of image.json is when it was last used."""
    files = [p for p in (cache / "images").rglob("*") if p.is_file() and p.name != "image.json"]
    return {str(p.relative_to(cache)): p.stat().st_mtime_ns for p in files}
