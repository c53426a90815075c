"""Images with packages: listed, taken by digest, saved, loaded elsewhere, removed."""

import datetime as dt
import hashlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from hypercell import Image, ImageError, Limits, PolicyError, Sandbox

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("hypercell_with_image"),
]

CODE = "from packaging.version import Version\nstr(max(Version('1.9'), Version('1.10')))"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache directory of its own with an image in it that has a package."""
    cache = tmp_path_factory.mktemp("images")
    Image.from_environment(["packaging"], warm=["packaging.version"], cache_dir=cache)
    return cache


@pytest.fixture
def image(cache):
    (one,) = Image.list(cache_dir=cache)
    return Image.from_cache(one.digest, cache_dir=cache)


@pytest.fixture(scope="module")
def exported(cache, tmp_path_factory):
    """The image as a file, and the digest of that."""
    path = tmp_path_factory.mktemp("exported") / "image"
    (one,) = Image.list(cache_dir=cache)
    return path, Image.from_cache(one.digest, cache_dir=cache).save(path)


def value_of(image, code=CODE):
    with Sandbox(image=image) as box:
        return box.run(code).value


def test_image_says_what_is_in_it(cache, image):
    assert image.packages == {"packaging": version("packaging")}
    (one,) = Image.list(cache_dir=cache)
    assert (one.digest, one.python_version) == (image.digest, image.python_version)
    assert (one.size_bytes, one.memory_bytes) == (image.size_bytes, image.memory_bytes)
    assert (one.packages, one.path, one.unusable) == (image.packages, image.path, None)
    assert 0 < one.files_bytes < one.size_bytes
    assert (one.build_s > 0, one.is_imported) == (True, False)
    assert one.warm[-1] == "packaging.version"
    assert one.warm_failed == {}
    assert dt.datetime.now(dt.timezone.utc) - one.last_used < dt.timedelta(minutes=10)


def test_package_is_there_and_its_neighbours_are_not(image):
    assert value_of(image) == "1.10"
    assert value_of(image, "import importlib.util\nimportlib.util.find_spec('pytest')") is None


def test_image_is_found_by_the_beginning_of_its_digest(cache, image):
    for digest in (image.digest, image.digest[:4], image.digest[:12].upper()):
        assert Image.from_cache(digest, cache_dir=cache).digest == image.digest


@pytest.mark.parametrize(
    ("digest", "reason"),
    [
        ("", "give at least 4 digits"),
        ("abc", "give at least 4 digits"),
        ("zzzz", "0 images begin so"),
        ("../x", "0 images begin so"),
        ("f" * 65, "0 images begin so"),
    ],
)
def test_digest_of_no_image_is_refused(cache, digest, reason):
    with pytest.raises(ImageError, match=reason) as raised:
        Image.from_cache(digest, cache_dir=cache)
    assert repr(digest)[1:-1] in str(raised.value)


def test_saved_image_starts_without_what_it_was_made_of(exported, tmp_path):
    path, digest = exported
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.stat().st_mode & 0o777 == 0o600
    copy = shutil.copy(path, tmp_path / "copy")
    image = Image.load(copy, digest=digest.upper(), cache_dir=tmp_path / "cache")
    Path(copy).unlink()
    assert (image.digest, image.packages) == (digest, {"packaging": version("packaging")})
    assert value_of(image) == "1.10"
    assert value_of(Image.from_cache(digest, cache_dir=tmp_path / "cache")) == "1.10"


def test_loaded_image_takes_no_other_images_place(cache, exported, tmp_path):
    path, digest = exported
    (built,) = Image.list(cache_dir=cache)
    other = tmp_path / "cache"
    Image.load(path, cache_dir=other)
    Image.load(path, cache_dir=other)
    (imported,) = Image.list(cache_dir=other)
    assert (imported.digest, imported.is_imported, imported.build_s) == (digest, True, built.build_s)
    assert digest != built.digest


def test_another_file_than_expected_is_refused(exported, tmp_path):
    with pytest.raises(ImageError, match=f"has SHA-256 {exported[1]}, not {'0' * 64}"):
        Image.load(exported[0], digest="0" * 64, cache_dir=tmp_path / "cache")
    assert Image.list(cache_dir=tmp_path / "cache") == ()


def test_file_that_cannot_be_read_or_written_is_an_image_error(image, tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ImageError, match="as the file of an image"):
            Image.load(path, cache_dir=tmp_path / "cache")
    with pytest.raises(ImageError, match="as the file of an image"):
        image.save(tmp_path / "none" / "file")


def test_disk_that_is_full_is_no_damage_of_the_file(exported, tmp_path):
    code = (
        "import resource, hypercell\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        f"try: hypercell.Image.load({str(exported[0])!r}, cache_dir={str(tmp_path / 'cache')!r})\n"
        "except hypercell.ImageError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"cannot use the image cache {tmp_path / 'cache'}")
    assert "File too large" in said
    assert Image.list(cache_dir=tmp_path / "cache") == ()
    assert list((tmp_path / "cache" / "images").iterdir()) == []


def test_damaged_image_is_not_saved(cache, tmp_path):
    copy = shutil.copytree(cache, tmp_path / "cache")
    copy.chmod(0o700)
    (one,) = Image.list(cache_dir=copy)
    image = Image.from_cache(one.digest, cache_dir=copy)
    blob = max(Path(one.path).rglob("snapshot/blobs/sha256/*"), key=lambda file: file.stat().st_size)
    with blob.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    with pytest.raises(ImageError, match="has SHA-256"):
        image.save(tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_prune_keeps_what_can_start_and_was_used(cache, tmp_path):
    copy = shutil.copytree(cache, tmp_path / "cache")
    copy.chmod(0o700)
    (one,) = Image.list(cache_dir=copy)
    image = Image.from_cache(one.digest, cache_dir=copy)
    assert Image.prune(cache_dir=copy) == ()
    assert Image.prune(unused_for=dt.timedelta(hours=1), cache_dir=copy) == ()
    with Sandbox(image=image, prepared=0) as box:
        assert [gone.digest for gone in Image.prune(unused_for=dt.timedelta(0), cache_dir=copy)] == [
            one.digest
        ]
        assert Image.list(cache_dir=copy) == ()
        assert box.run(CODE).value == "1.10"
    assert list((copy / "images").iterdir()) == []
    assert list((copy / "keys").iterdir()) == []


def test_prune_removes_what_is_damaged_or_of_another_version(cache, tmp_path):
    copy = shutil.copytree(cache, tmp_path / "cache")
    copy.chmod(0o700)
    (one,) = Image.list(cache_dir=copy)
    (Path(one.path) / "image.json").write_text("{}")
    (damaged,) = Image.list(cache_dir=copy)
    assert damaged.unusable.startswith("it is damaged: image.json: ")
    assert (damaged.digest, damaged.python_version, damaged.packages) == (one.digest, "", {})
    with pytest.raises(ImageError, match="cannot start here: it is damaged"):
        Image.from_cache(one.digest, cache_dir=copy)
    assert Image.prune(cache_dir=copy) == (damaged,)
    assert Image.list(cache_dir=copy) == ()


def test_prune_of_everything_leaves_other_files_alone(cache, tmp_path):
    copy = shutil.copytree(cache, tmp_path / "cache")
    copy.chmod(0o700)
    (copy / "images" / "note.txt").write_text("mine")
    assert len(Image.prune(everything=True, cache_dir=copy)) == 1
    assert [path.name for path in (copy / "images").iterdir()] == ["note.txt"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Image.from_cache(3), "digest must be str, got int"),
        (lambda: Image.load(3), "path must be a path, got int"),
        (lambda: Image.load("x", digest=b"x"), "digest must be str, got bytes"),
        (lambda: Image.list(cache_dir=3), "cache_dir must be a path, got int"),
        (lambda: Image.prune(unused_for=3), "unused_for must be a timedelta, got int"),
        (lambda: Image.prune(unused_for=dt.timedelta(-1)), "unused_for must not be negative, got -1 day"),
    ],
)
def test_argument_that_cannot_be_is_refused(call, message):
    with pytest.raises(PolicyError, match=message):
        call()


def test_requirements_file_is_met_by_the_environment(tmp_path, cache):
    required = tmp_path / "requirements.txt"
    required.write_text("# what we need\npackaging >= 20  # any new one\nnone-such; python_version < '3'\n")
    image = Image.from_environment(requirements=required, warm=["packaging.version"], cache_dir=cache)
    assert image.packages == {"packaging": version("packaging")}
    required.write_text("packaging == 1.0\n")
    with pytest.raises(
        ImageError, match=f"has packaging {version('packaging')}, and 'packaging==1.0' is required"
    ):
        Image.from_environment(requirements=required, warm=["packaging.version"], cache_dir=cache)
    required.write_text("none-such\n")
    with pytest.raises(ImageError, match="none-such"):
        Image.from_environment(requirements=required, cache_dir=cache)


def test_sandbox_with_memory_of_gibibytes_uses_it():
    limits = Limits(memory_bytes=2 << 30)
    with Sandbox(limits=limits, prepared=0) as box:
        filled = box.run(
            "data = bytearray(700 << 20)\ndata[::4096] = b'x' * len(data[::4096])\ndata.count(b'x')"
        )
        assert filled.value == (700 << 20) // 4096
        assert filled.usage.memory_peak_bytes > 700 << 20
        assert box.run("bytearray(4 << 30)").error.type == "MemoryError"
        assert box.run("1 + 1").value == 2
