"""Files of exported images that are damaged or hostile: each is an error of ours, or a VM that holds what is in it."""

import json
import os
import random

import pytest

import hypercell
from hypercell import Image, ImageError, Limits, Sandbox
from sealed_files import Members

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("hypercell_with_image")]

ENDINGS = (
    ImageError,
    hypercell.ProtocolError,
    hypercell.LimitError,
    hypercell.GuestCrashError,
    hypercell.SandboxUnavailableError,
    hypercell.RunCancelledError,
)


@pytest.fixture(scope="module")
def exported(hypercell_with_image, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "image"
    Image.from_environment().save(path)
    return path


def refusal(path, cache):
    with pytest.raises(ImageError) as raised:
        Image.load(path, cache_dir=cache)
    assert Image.list(cache_dir=cache) == ()
    return str(raised.value)


def run(path, cache):
    """Runs something in what a file holds; returns the value, or the error."""
    try:
        with Sandbox(
            image=Image.load(path, cache_dir=cache), limits=Limits(wall_time_s=2), prepared=0
        ) as box:
            return box.run("1 + 1").value
    except ENDINGS as error:
        return error


def test_file_that_is_put_together_again_runs(exported, tmp_path):
    assert run(Members.of(exported).write(tmp_path / "file"), tmp_path / "cache") == 2


def test_file_that_is_cut_or_changed_anywhere_is_refused(exported, tmp_path):
    whole = exported.read_bytes()
    numbers = random.Random(5)
    for number in range(12):
        at = numbers.randrange(len(whole))
        changed = whole[:at] if number % 2 else whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
        (tmp_path / "file").write_bytes(changed)
        # A byte may lie in the tar's padding, which nothing depends on.
        outcome = run(tmp_path / "file", tmp_path / f"cache{number}")
        assert isinstance(outcome, ImageError) or outcome == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hypercell": "0.0.1"}, "cannot start here: it is of hypercell version 0.0.1, and this is"),
        ({"abi": 9}, "cannot start here: it is of wire version 9"),
        (
            {"cpu": "flags: none"},
            "cannot start here: it was started on another processor: that one has flags: none",
        ),
        ({"engine": "x" * 100}, "cannot start here: it was made with"),
        ({"memory_bytes": 1 << 60}, "no VM serves memory of"),
        ({"memory_bytes": -1}, "damaged"),
        ({"packages": "x"}, "damaged"),
        ({"digest": 5}, "damaged"),
    ],
)
def test_metadata_that_cannot_be_is_refused(exported, tmp_path, change, reason):
    members = Members.of(exported)
    contents = members.manifest
    contents["manifest"].update(change)
    assert reason in refusal(members.write(tmp_path / "file", contents), tmp_path / "cache")


def test_file_that_would_be_read_without_end_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe", tmp_path / "cache").endswith(": it is no regular file")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 43)
    assert f"the file of {1 << 43} bytes exceeds " in refusal(tmp_path / "huge", tmp_path / "cache")
    with pytest.raises(hypercell.SnapshotError, match="no regular file"):
        hypercell.Snapshot.load(tmp_path / "pipe")


def test_digest_that_the_file_claims_counts_for_nothing(exported, tmp_path):
    members = Members.of(exported)
    contents = members.manifest
    for claimed in ("../../x", "0" * 64, ""):
        contents["manifest"]["digest"] = claimed
        image = Image.load(members.write(tmp_path / "file", contents), cache_dir=tmp_path / "cache")
        assert image.digest not in (claimed, "")
        assert len(image.digest) == 64


@pytest.mark.parametrize(
    "name", ["/tmp/x", "snapshot/../../x", "vm/x", "image.json", "snapshot/" + "x" * 99, "snapshot"]
)
def test_member_outside_of_its_directory_is_refused(exported, tmp_path, name):
    members = Members.of(exported)
    contents = members.manifest
    path = members.write(tmp_path / "file", contents)
    index = members.vm + "index.json"
    renamed = json.dumps(members.manifest).replace(f'"{index}"', json.dumps(name))
    data = members.pop(index)
    members["manifest.json"] = renamed.encode()
    members[name] = data
    members.seal()
    members.write_as_they_are(path)
    assert "as the file of an image: the file is damaged" in refusal(path, tmp_path / "cache")


def test_memory_that_somebody_made_up_stays_in_its_vm(exported, tmp_path):
    numbers = random.Random(7)

    def scatter(data):
        for _ in range(2000):
            data[numbers.randrange(len(data))] = numbers.randrange(256)
        return data

    for number in range(6):
        members = Members.of(exported)
        members.change_vm(layer=(number % 2, scatter))
        outcome = run(members.write(tmp_path / "file"), tmp_path / f"cache{number}")
        assert outcome == 2 or isinstance(outcome, ENDINGS), outcome
    with Sandbox() as box:
        assert box.run("1 + 1").value == 2
