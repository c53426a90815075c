"""Snapshot files that are damaged or hostile: each is an error of ours, or a VM that holds what is in it.

Evidence: a file is changed and all digests in it are made right again, so that what refuses it is not the digest. What
is loaded is run, with a limit on its time, and must end in a result or in an error of ours.
"""

import hashlib
import io
import json
import random
import tarfile

import pytest

import hypercell
from hypercell import Limits, Sandbox, Snapshot, SnapshotError
from sealed_files import Members

pytestmark = pytest.mark.usefixtures("hypercell_with_image")

# How a run may end in a VM whose memory or registers somebody made up.
ENDINGS = (
    hypercell.ProtocolError,
    hypercell.LimitError,
    hypercell.GuestCrashError,
    hypercell.SandboxUnavailableError,
    hypercell.RunCancelledError,
)
BRIEF = Limits(wall_time_s=2)


def approve(what: str) -> bool:
    return False


@pytest.fixture(scope="module")
def folder(hypercell_with_image, tmp_path_factory):
    """Files of a kept state and of a paused run."""
    folder = tmp_path_factory.mktemp("snapshots")
    with Sandbox(keep_state=True) as box:
        box.run("x = 1")
        box.snapshot().save(folder / "kept")
    with Sandbox(tools=[approve], pause_on=["approve"]) as box:
        box.run("print('before')\n[1, approve(what='mail')]")
        box.snapshot().save(folder / "paused")
    return folder


def refusal(path):
    with pytest.raises(SnapshotError) as raised:
        Snapshot.load(path)
    return str(raised.value)


def run_kept(path):
    """Runs something in what a file holds; returns the value, or the error."""
    try:
        with Sandbox.from_snapshot(Snapshot.load(path), limits=BRIEF, prepared=0) as box:
            return box.run("x + 1").value
    except (SnapshotError, *ENDINGS) as error:
        return error


def resume_paused(path):
    try:
        with Sandbox.from_snapshot(Snapshot.load(path), tools=[approve]) as box:
            result = box.resume(True)
            return result.value if result.error is None else result.error
    except (SnapshotError, hypercell.PolicyError, *ENDINGS) as error:
        return error


def test_file_that_was_taken_apart_and_put_together_again_loads(folder, tmp_path):
    assert run_kept(Members.of(folder / "kept").write(tmp_path / "file")) == 2
    assert resume_paused(Members.of(folder / "paused").write(tmp_path / "file")) == [1, True]


def test_file_that_is_none_is_refused(tmp_path):
    missing = tmp_path / "missing"
    assert refusal(missing).startswith(f"cannot read the snapshot file {missing}: ")
    assert "regular file" in refusal(tmp_path)
    assert "regular file" in refusal("/dev/zero")
    for data in (b"", b"x", b"\0" * 512, b"\0" * 4096, b"x" * 4096, random.Random(1).randbytes(1 << 16)):
        (tmp_path / "file").write_bytes(data)
        assert refusal(tmp_path / "file").startswith("the snapshot is damaged: ")


def test_file_with_another_digest_is_refused(folder):
    digest = hashlib.sha256((folder / "kept").read_bytes()).hexdigest()
    Snapshot.load(folder / "kept", digest=digest.upper())
    with pytest.raises(SnapshotError) as raised:
        Snapshot.load(folder / "kept", digest="0" * 64)
    assert str(raised.value) == f"the snapshot file has SHA-256 {digest}, not {'0' * 64}"
    with pytest.raises(hypercell.PolicyError):
        Snapshot.load(folder / "kept", digest=5)


def test_file_cut_anywhere_is_refused(folder, tmp_path):
    data = (folder / "kept").read_bytes()
    # Without its end, which is empty, a tar file is still whole.
    for size in [*range(0, 6000, 512), 513, 1023, 10_000, len(data) // 2, len(data) - 20_000]:
        (tmp_path / "file").write_bytes(data[:size])
        assert refusal(tmp_path / "file")


def test_changed_byte_is_noticed(folder, tmp_path):
    data = bytearray((folder / "kept").read_bytes())
    chance = random.Random(2)
    for _ in range(30):
        at = chance.randrange(len(data) - 11_000)
        old, data[at] = data[at], data[at] ^ 1 << chance.randrange(8)
        (tmp_path / "file").write_bytes(data)
        try:
            Snapshot.load(tmp_path / "file")
        except SnapshotError:
            pass
        else:
            # Only padding and fields of the archive that say nothing can change unnoticed.
            assert at % 512 < 512
            assert run_kept(tmp_path / "file") == 2
        data[at] = old


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 2}, "the snapshot is of format version 2, and this is 1"),
        ({"hypercell": "0.0.9"}, "the snapshot is of hypercell version 0.0.9, and this is "),
        ({"abi": 77}, "the snapshot is of wire version 77, and this is "),
        (
            {"cpu": "Other\nfpu vliw\n"},
            "the snapshot was taken on another processor: that one has Other vliw which",
        ),
        ({"base": {"image": "", "python": "", "memory_bytes": 5}}, "no VM serves memory of 5 bytes"),
        ({"base": {"image": "", "python": "", "memory_bytes": 512 << 20}}, "scratch_size is "),
        ({"tools": [{"name": "", "doc": "", "schema": "", "pauses": False}]}, "the snapshot is damaged: "),
        ({"limits": {}}, "the snapshot is damaged: missing field"),
        ({"stolen": 1}, "the snapshot is damaged: unknown field"),
        ({"tools": None}, "the snapshot is damaged: invalid type"),
    ],
)
def test_manifest_that_does_not_fit_is_refused_with_the_reason(folder, tmp_path, change, reason):
    members = Members.of(folder / "kept")
    contents = members.manifest
    contents["manifest"].update(change)
    assert reason in refusal(members.write(tmp_path / "file", contents))


def _without(key):
    return lambda run: run.pop(key)


def _call(**change):
    return lambda run: run["pending"]["call"].update(change)


@pytest.mark.parametrize(
    "change",
    [
        _without("past"),
        _without("pending"),
        _call(name="other"),
        _call(id=1 << 63),
        _call(id=-1),
        _call(args="zz"),
        _call(args=""),
        _call(args="01"),
        _call(args="ff" * 100),
        _call(args="9bffffffffffffffff"),
        lambda run: run["past"]["usage"].update(tool_calls=1001),
        lambda run: run["past"]["usage"].update(tool_calls=1 << 70),
        lambda run: run["past"].update(stdout="61" * ((1 << 20) + 1)),
        lambda run: run["past"]["usage"].update(wall_time=-5),
        lambda run: run.update(queued=[run["pending"]]),
        lambda run: run["pending"].update(is_in_flight=True) or run.update(queued=[run["pending"]] * 2000),
        lambda run: run.update(
            outcomes=[
                {"guest_id": 1, "argument_bytes": 1 << 40, "argument_items": 1, "outcome": {"value": "f6"}}
            ]
        ),
        lambda run: run.update(
            outcomes=[{"guest_id": 1, "argument_bytes": 1, "argument_items": 1, "outcome": {"value": "1b00"}}]
        ),
        lambda run: run.update(
            outcomes=[{"guest_id": 1, "argument_bytes": 1, "argument_items": 1, "outcome": {"value": "f6"}}]
            * 2
        ),
    ],
)
def test_saved_run_that_cannot_be_is_refused(folder, tmp_path, change):
    members = Members.of(folder / "paused")
    contents = members.manifest
    change(contents["manifest"]["run"])
    error = resume_paused(members.write(tmp_path / "file", contents))
    assert isinstance(error, SnapshotError), error
    assert str(error).startswith("the snapshot is damaged: ")


def test_saved_run_with_made_up_numbers_harms_itself(folder, tmp_path):
    members = Members.of(folder / "paused")
    for change in (
        lambda run: run["pending"].update(guest_id=99),
        lambda run: run["pending"].update(is_in_flight=True),
        lambda run: run["past"]["usage"].update(wall_time={"secs": 1 << 62, "nanos": 0}),
        lambda run: run["past"]["usage"].update(wall_time={"secs": 1 << 63, "nanos": 1 << 31}),
        lambda run: run["past"]["usage"].update(syscalls=(1 << 64) - 1, page_faults=1 << 40),
        lambda run: run.update(
            outcomes=[{"guest_id": 7, "argument_bytes": 1, "argument_items": 1, "outcome": {"value": "f6"}}]
        ),
    ):
        contents = Members.of(folder / "paused").manifest
        change(contents["manifest"]["run"])
        contents["manifest"]["limits"]["wall_time"] = {"secs": 2, "nanos": 0}
        ending = resume_paused(members.write(tmp_path / "file", contents))
        allowed = (*ENDINGS, SnapshotError, hypercell.GuestError)
        assert ending == [1, True] or isinstance(ending, allowed), ending


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../file",
        "vm/../../file",
        "vm//x",
        "file",
        "vm",
        "",
        "vm/" + "x" * 200,
        "vm/./x",
        "vm/x\0y",
    ],
)
def test_member_outside_of_the_vm_is_refused(folder, tmp_path, name):
    members = Members.of(folder / "kept")
    contents = members.manifest
    data = json.dumps({**contents, "files": [{"path": name, "len_bytes": 1, "sha256": "0" * 64}]}).encode()
    members["manifest.json"] = data
    path = tmp_path / "file"
    with tarfile.open(path, "w") as tar:
        for member in [
            ("manifest.sha256", hashlib.sha256(data).hexdigest().encode()),
            ("manifest.json", data),
        ]:
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            tar.addfile(info, io.BytesIO(member[1]))
    assert refusal(path)
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
)
def test_member_that_is_no_file_is_refused(tmp_path, kind):
    path = tmp_path / "file"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("manifest.sha256")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    assert "in place of manifest.sha256" in refusal(path)


def test_member_that_claims_more_than_there_is_takes_no_memory(folder, tmp_path):
    members = Members.of(folder / "kept")
    path = tmp_path / "file"
    for size in (1 << 40, (1 << 63) - 1, 129 << 20):
        with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
            info = tarfile.TarInfo("manifest.sha256")
            info.size = 64
            tar.addfile(info, io.BytesIO(members["manifest.sha256"]))
            info = tarfile.TarInfo("manifest.json")
            info.size = size
            path_header = info.tobuf(tarfile.GNU_FORMAT)
        data = path.read_bytes()[:1024] + path_header
        path.write_bytes(data)
        assert refusal(path)


def test_snapshot_of_more_memory_than_its_class_is_refused(folder, tmp_path):
    for name, value in [
        ("scratch_size", 8 << 30),
        ("heap_size", 1 << 30),
        ("g2h_pool_pages", 100_000),
        ("h2g_queue_size", 1),
        ("h2g_buffer_size", 1 << 20),
        ("scratch_size", None),
        ("scratch_size", "many"),
    ]:
        members = Members.of(folder / "kept")

        def change(config, name=name, value=value):
            config["layout"][name] = value
            return config

        members.change_vm(config=change)
        assert f"{name} is " in refusal(members.write(tmp_path / "file"))


def test_made_up_registers_and_sizes_are_refused_or_held(folder, tmp_path):
    """Numbers of the configuration, made something else: the VM does not start, dies, or runs."""
    members = Members.of(folder / "kept")
    index = json.loads(members["vm/index.json"])
    manifest = json.loads(members[members.blob(index["manifests"][0]["digest"])])
    config = json.loads(members[members.blob(manifest["config"]["digest"])])
    paths = list(_numbers(config))
    assert len(paths) > 60
    chance = random.Random(3)
    endings = {}
    for path in chance.sample(paths, 25):
        value = chance.choice([0, 1, (1 << 64) - 1, 1 << 63, 1 << 47, 0xFFF, 1 << 32, chance.getrandbits(64)])
        members = Members.of(folder / "kept")
        members.change_vm(config=lambda config, path=path, value=value: _set(config, path, value))
        ending = run_kept(members.write(tmp_path / "file"))
        assert ending == 2 or isinstance(ending, (SnapshotError, *ENDINGS)), (path, value, ending)
        endings.setdefault(type(ending), []).append((path, value))
    assert len(endings) > 1, endings


def _numbers(value, path=()):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _numbers(item, (*path, number))
    elif isinstance(value, int):
        yield path


def _set(config, path, value):
    place = config
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return config


def test_made_up_transport_is_refused_or_held(folder, tmp_path):
    chance = random.Random(4)
    for _ in range(12):
        members = Members.of(folder / "kept")

        def change(data):
            for _ in range(chance.choice([1, 4, 64])):
                data[chance.randrange(len(data))] = chance.randrange(256)
            return data

        members.change_vm(layer=(1, change))
        ending = run_kept(members.write(tmp_path / "file"))
        assert ending == 2 or isinstance(ending, (SnapshotError, *ENDINGS)), ending


def test_made_up_memory_is_held(folder, tmp_path):
    """Pages of the guest, its page tables and kernel among them, made something else."""
    chance = random.Random(5)
    for scope in (1 << 12, 1 << 16, 1 << 20, None, "tables"):
        members = Members.of(folder / "kept")

        def change(data, scope=scope):
            first, last = 0, len(data)
            if scope == "tables":
                first = len(data) - (256 << 10)
            for _ in range(64 if scope != 1 << 12 else 3):
                page = chance.randrange(first, last) & ~0xFFF
                data[page : page + 64] = chance.randbytes(64)
            return data

        members.change_vm(layer=(0, change))
        ending = run_kept(members.write(tmp_path / "file"))
        assert ending == 2 or isinstance(ending, (SnapshotError, *ENDINGS)), ending
        assert run_kept(folder / "kept") == 2, "another sandbox was harmed"
