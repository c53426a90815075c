"""Builds of images in one cache: what they leave for each other, and what they remove."""

import hashlib
import marshal
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hypercell import Image, Sandbox

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("hypercell_with_image"),
]

# What is before the byte code: a digest of ours, and the head of a .pyc file.
SEAL_BYTES = 32
HEAD_BYTES = 16


@pytest.fixture(scope="module")
def first_cache(tmp_path_factory):
    """A cache with one image in it, and the byte code that its build left."""
    cache = tmp_path_factory.mktemp("first")
    Image.from_environment(cache_dir=cache)
    return cache


@pytest.fixture
def cache(first_cache, tmp_path):
    """The same for one test."""
    copy = shutil.copytree(first_cache, tmp_path / "cache")
    copy.chmod(0o700)
    return copy


def kept(cache: Path) -> dict[str, Path]:
    """The byte code in a cache, by the path of its source in the guest."""
    found = {}
    for file in (cache / "bytecode").iterdir():
        code = marshal.loads(file.read_bytes()[SEAL_BYTES + HEAD_BYTES :])
        found[code.co_filename] = file
    return found


def is_whole(file: Path) -> bool:
    bytes_ = file.read_bytes()
    return bytes_[:SEAL_BYTES] == hashlib.sha256(bytes_[SEAL_BYTES:]).digest()


def set_unused(image: Image, days: float) -> None:
    then = time.time() - days * 86_400
    os.utime(Path(image.path) / "image.json", (then, then))


def test_second_image_takes_the_byte_code_that_the_first_one_left(cache):
    (colors,) = (file for path, file in kept(cache).items() if path.endswith("/colorsys.py"))
    before = colors.read_bytes()
    code = compile("marker = 'kept'", marshal.loads(before[SEAL_BYTES + HEAD_BYTES :]).co_filename, "exec")
    other = before[SEAL_BYTES : SEAL_BYTES + HEAD_BYTES] + marshal.dumps(code)
    colors.write_bytes(hashlib.sha256(other).digest() + other)

    image = Image.from_environment(warm=["textwrap", "colorsys"], cache_dir=cache)
    with Sandbox(image=image) as box:
        assert box.run("import colorsys\ncolorsys.marker").value == "kept"


def test_byte_code_that_was_torn_or_altered_is_compiled_again(cache):
    files = sorted(kept(cache).values())
    for number, file in enumerate(files):
        bytes_ = file.read_bytes()
        torn = (b"", bytes_[:SEAL_BYTES], bytes_[:-1], bytes_[:-1] + bytes([bytes_[-1] ^ 1]))
        file.write_bytes(torn[number % len(torn)])
    assert not any(map(is_whole, files))

    image = Image.from_environment(warm=["colorsys"], cache_dir=cache)
    with Sandbox(image=image) as box:
        assert (
            box.run("import colorsys, json\njson.dumps(colorsys.rgb_to_hsv(1, 0, 0))").value
            == "[0.0, 1.0, 1]"
        )
    assert all(map(is_whole, files))
    assert sorted(kept(cache).values()) == files


def test_digest_is_the_same_with_byte_code_kept_and_without(cache):
    kept_bytes = Image.bytecode_bytes(cache_dir=cache)
    shutil.rmtree(cache / "images")
    digest = Image.from_environment(cache_dir=cache).digest
    (removed,) = Image.prune(everything=True, cache_dir=cache)
    assert (removed.digest, Image.bytecode_bytes(cache_dir=cache)) == (digest, 0)
    assert Image.from_environment(cache_dir=cache).digest == digest
    assert Image.bytecode_bytes(cache_dir=cache) == kept_bytes > 0


def test_build_removes_images_that_nobody_has_open_or_has_used(cache, monkeypatch):
    unused = Image.from_environment(cache_dir=cache)
    opened = Image.from_environment(warm=["colorsys"], cache_dir=cache)
    set_unused(unused, 41)
    set_unused(opened, 41)
    gone, digests = unused.digest, {unused.digest, opened.digest}
    del unused

    monkeypatch.setenv("HYPERCELL_CACHE_DAYS", "inf")
    digests.add(Image.from_environment(warm=["bdb"], cache_dir=cache).digest)
    assert {one.digest for one in Image.list(cache_dir=cache)} == digests

    monkeypatch.delenv("HYPERCELL_CACHE_DAYS")
    newest = Image.from_environment(warm=["pdb"], cache_dir=cache)
    left = {one.digest for one in Image.list(cache_dir=cache)}
    assert left == digests - {gone} | {newest.digest}
    with Sandbox(image=opened) as box:
        assert box.run("import colorsys\n6 * 7").value == 42


def test_imported_image_outlasts_builds(first_cache, cache, tmp_path):
    built = Image.from_environment(cache_dir=first_cache)
    built.save(tmp_path / "file")
    imported = Image.load(tmp_path / "file", cache_dir=cache)
    digest = imported.digest
    set_unused(imported, 400)
    del imported
    (cache / "images" / built.digest / "image.json").write_text("{}")
    with pytest.warns(RuntimeWarning, match="is damaged and is built again"):
        Image.from_environment(cache_dir=cache)
    assert {one.digest for one in Image.list(cache_dir=cache)} == {built.digest, digest}


BUILDER = """
import sys
from hypercell import Image, Sandbox
for module in sys.argv[1:]:
    image = Image.from_environment(warm=[module])
    with Sandbox(image=image, prepared=0) as box:
        assert box.run(f"import {module}, sys\\n{module!r} in sys.modules").value is True
print("done")
"""


def test_processes_that_build_and_remove_in_one_cache_do_not_disturb_each_other(cache):
    # Each build removes whatever no process has open at that moment.
    environment = {**os.environ, "HYPERCELL_CACHE_DIR": str(cache), "HYPERCELL_CACHE_DAYS": "1e-9"}
    modules = [["wave", "bdb"], ["bdb", "wave"]]
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", BUILDER, *names],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for names in modules
    ]
    outcomes = [(*process.communicate(timeout=250), process.returncode) for process in processes]
    assert outcomes == [("done\n", "", 0)] * 2
    assert len(Image.list(cache_dir=cache)) < 3
