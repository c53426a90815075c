"""Snapshots as values: kept state and paused runs, gone on from here, on other threads and in other processes."""

import asyncio
import json
import os
import random
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import hypercell
from hypercell import AsyncSandbox, Limits, PendingCall, Pool, Sandbox, Snapshot
from paused_runs import TOOLS, approve, double

pytestmark = pytest.mark.usefixtures("hypercell_with_image")

SOURCES = {
    "random.random": "import random\nrandom.random()",
    "os.urandom": "import os\nos.urandom(16)",
    "uuid4": "import uuid\nuuid.uuid4()",
    "uuid1": "import uuid\nuuid.uuid1()",
    "secrets": "import secrets\nsecrets.token_bytes(16)",
    "tempfile": "import tempfile\ntempfile.mktemp()",
    "ssl": "import ssl\nssl.RAND_bytes(16)",
}


@pytest.fixture(scope="module")
def kept(hypercell_with_image):
    """A snapshot of globals."""
    with Sandbox(keep_state=True, tools=[double]) as box:
        box.run("import json, random, ssl, tempfile, uuid\nxs = [1]\ndef f():\n    return double(xs[-1])")
        for code in SOURCES.values():
            box.run(code)
        return box.snapshot()


def test_each_run_starts_from_the_snapshot(kept):
    with Sandbox.from_snapshot(kept, tools=[double]) as box:
        for _ in range(3):
            assert box.run("xs.append(2)\n[xs, f()]").value == [[1, 2], 4]


def test_state_that_is_kept_goes_on_from_the_snapshot_and_comes_back_with_reset(kept):
    with Sandbox.from_snapshot(kept, tools=[double], keep_state=True) as box:
        assert box.run("xs.append(2)\nxs").value == [1, 2]
        assert box.run("xs.append(3)\nxs").value == [1, 2, 3]
        box.reset()
        assert box.run("xs").value == [1]


def test_sandbox_goes_on_as_if_no_snapshot_had_been_taken(make_sandbox):
    box = make_sandbox(keep_state=True)
    box.run("import random\nrandom.seed(7)\nfile = open('/tmp/f', 'w+')\nfile.write('one')\nx = 1")
    box.snapshot()
    expected = random.Random(7).random()
    code = "file.write('two'); file.seek(0)\n[x, file.read(), random.random()]"
    assert box.run(code).value == [1, "onetwo", expected]
    again = box.snapshot()
    with Sandbox.from_snapshot(again) as copy:
        assert copy.run("x").value == 1


def test_snapshot_of_a_sandbox_that_ran_nothing_is_its_image(make_sandbox):
    with Sandbox.from_snapshot(make_sandbox(keep_state=True).snapshot()) as box:
        assert box.run("import sys\n1 + 1").value == 2


def test_snapshot_of_a_snapshot_has_both_states(kept):
    with Sandbox.from_snapshot(kept, tools=[double], keep_state=True) as box:
        box.run("ys = 5")
        second = box.snapshot()
    assert second.image_digest == kept.image_digest
    with Sandbox.from_snapshot(second, tools=[double]) as box:
        assert box.run("[xs, ys]").value == [[1], 5]


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("prepared", [0, 1])
def test_copies_do_not_share_random_numbers(kept, name, prepared):
    with Sandbox.from_snapshot(kept, tools=[double], prepared=prepared) as box:
        seen = [box.run(SOURCES[name]).value for _ in range(4)]
    assert None not in seen
    assert len(set(seen)) == 4


def test_copies_of_a_paused_run_do_not_share_random_numbers(make_sandbox):
    box = make_sandbox(tools=[approve], pause_on=["approve"])
    sources = "\n".join(SOURCES.values())
    box.run(f"import random\nrandom.seed(1)\n{sources}\napprove(what='')\n[{_expressions()}]")
    snapshot = box.snapshot()
    seen = []
    for _ in range(3):
        with Sandbox.from_snapshot(snapshot, tools=[approve]) as copy:
            seen.append(copy.resume(None).value)
    for values in zip(*seen, strict=True):
        assert len(set(values)) == 3, values


def _expressions():
    return ", ".join(code.splitlines()[-1] for code in SOURCES.values())


def test_many_threads_go_on_from_one_snapshot(kept):
    results = {}

    def run(number):
        with Sandbox.from_snapshot(kept, tools=[double]) as box:
            results[number] = [box.run(f"xs.append({number})\nf()").value for _ in range(5)]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: [2 * number] * 5 for number in range(8)}


def test_pool_of_a_snapshot_prepares_its_state(kept):
    with Pool(kept, prepared=2) as pool:
        assert pool.image is kept
        with Sandbox.from_snapshot(kept, tools=[double], pool=pool) as box:
            for _ in range(4):
                assert pool.wait_ready()
                assert box.run("xs.append(9)\n[xs, sorted(globals())[-1]]").value == [[1, 9], "xs"]
        assert pool.stats().hits == 4


def test_prepared_copy_shows_the_lines_of_the_code_that_it_keeps(make_sandbox):
    box = make_sandbox(keep_state=True)
    box.run("def broken():\n    raise ValueError('kept')", filename="setup")
    with Sandbox.from_snapshot(box.snapshot(), prepared=1) as copy:
        error = copy.run("broken()", filename="use").error
    assert "    raise ValueError('kept')" in error.traceback


def test_file_goes_on_in_another_process(kept, paused, tmp_path):
    digests = [kept.save(tmp_path / "kept"), paused.save(str(tmp_path / "paused"))]
    program = """
import json, sys
from hypercell import Sandbox, Snapshot
def double(n: int) -> int:
    return 2 * n
def approve(what: str) -> bool:
    return False
kept = Snapshot.load(sys.argv[1] + "/kept", digest=sys.argv[2])
with Sandbox.from_snapshot(kept, tools=[double]) as box:
    values = [box.run("xs.append(3)\\n[xs, f()]").value]
paused = Snapshot.load(sys.argv[1] + "/paused", digest=sys.argv[3])
with Sandbox.from_snapshot(paused, tools=[double, approve]) as box:
    print(box.pending, file=sys.stderr)
    result = box.resume(True)
    values += [result.value, result.stdout, result.usage.tool_calls]
print(json.dumps(values))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), *digests], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[[1, 3], 6], [8, True], "before\nafter\n", 2]
    assert done.stderr == "PendingCall(tool='approve', arguments={'what': 'mail'}, line=3)\n"


def test_file_is_for_its_owner_alone_and_replaces_another(kept, tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o666)
    kept.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_loaded_snapshot_does_not_need_its_file(kept, tmp_path):
    path = tmp_path / "file"
    kept.save(path)
    snapshot = Snapshot.load(path)
    path.write_bytes(b"\0" * path.stat().st_size)
    os.truncate(path, 0)
    with Sandbox.from_snapshot(snapshot, tools=[double]) as box:
        assert box.run("f()").value == 2


def test_snapshot_says_what_it_is(kept, paused):
    assert kept.pending is None
    assert (kept.tools, kept.pause_on, kept.keep_state) == (("double",), (), True)
    assert (paused.tools, paused.pause_on, paused.keep_state) == (("double", "approve"), ("approve",), False)
    assert paused.pending == PendingCall("approve", {"what": "mail"}, 3)
    assert kept.limits == Limits()
    assert kept.python_version == "{}.{}.{}".format(*sys.version_info[:3])
    assert repr(kept) == f"<hypercell.Snapshot python {kept.python_version}, kept state>"
    assert repr(paused) == f"<hypercell.Snapshot python {kept.python_version}, waits for 'approve'>"


def test_snapshot_in_the_middle_of_a_run_is_for_that_run(paused):
    with Sandbox.from_snapshot(paused, tools=TOOLS) as box:
        with pytest.raises(hypercell.SandboxBusyError):
            box.run("1")
        box.resume(None)
        over = "the snapshot was taken in the middle of a run, which is over in this sandbox; make another one from it"
        with pytest.raises(hypercell.PolicyError) as raised:
            box.run("1")
        assert str(raised.value) == over
        with pytest.raises(hypercell.PolicyError, match="no run is paused in this sandbox"):
            box.resume(1)
    with pytest.raises(hypercell.PolicyError, match="in the middle of a run, so that no VM can be prepared"):
        Pool(paused)
    with pytest.raises(hypercell.PolicyError, match="nothing can be prepared from it"):
        Sandbox.from_snapshot(paused, tools=TOOLS, prepared=1)


def test_what_does_not_go_with_the_snapshot_is_refused_with_the_reason(kept, paused):
    def other(n: int) -> int:
        return n

    def widened(n: int, more: int = 0) -> int:
        return n + more

    widened.__name__ = "double"
    cases = [
        (kept, {}, 'the snapshot knows the tool "double", which is not among the tools given'),
        (
            kept,
            {"tools": [widened]},
            'the tool "double" has other parameters than when the snapshot was taken',
        ),
        (
            kept,
            {"tools": [double], "limits": Limits(memory_bytes=256 << 20)},
            "memory_bytes of 268435456 exceeds",
        ),
        (paused, {"tools": [*TOOLS, other]}, 'the tool "other" was not there when the run began'),
        (paused, {"tools": TOOLS, "limits": Limits(tool_calls=2000)}, "tool_calls is 2000; the run"),
        (paused, {"tools": TOOLS, "limits": Limits(wall_time_s=None)}, "wall_time_s is none; the run"),
        (paused, {"tools": TOOLS, "keep_state": True}, "began with keep_state=False"),
        (kept, {"tools": [double], "pause_on": ["other"]}, "pause_on names 'other', which is no tool"),
        (
            kept,
            {"tools": [double], "pause_on": "double"},
            "pause_on must be a list of names of tools, got 'double'",
        ),
        (kept, {"tools": [double], "pool": Pool(prepared=0)}, "pool is not of this snapshot"),
    ]
    for snapshot, options, reason in cases:
        with pytest.raises(hypercell.PolicyError) as raised:
            Sandbox.from_snapshot(snapshot, **options)
        assert reason in str(raised.value)
    with Sandbox.from_snapshot(kept, tools=[double, other], limits=Limits(tool_calls=1)) as box:
        assert box.run("other(n=3)").value == 3, "between runs, tools and limits are for the next run"
    with pytest.raises(hypercell.PolicyError, match="pool is of a snapshot; use "):
        Sandbox(pool=Pool(kept, prepared=0))
    with pytest.raises(hypercell.PolicyError, match="snapshot must be a Snapshot, got Sandbox"):
        Sandbox.from_snapshot(box)


def test_pauses_of_the_snapshot_hold_unless_the_caller_says_otherwise():
    def approve(what: str) -> str:
        return what

    with Sandbox(tools=[double, approve], pause_on=["approve"]) as box:
        box.run("n = approve(what='')\nexec(n)\nresult = x")
        snapshot = box.snapshot()
    code = "x = approve(what='again')"
    with Sandbox.from_snapshot(snapshot, tools=[double, approve]) as box:
        assert box.resume(code).pending == PendingCall("approve", {"what": "again"}, 2)
    with Sandbox.from_snapshot(snapshot, tools=[double, approve], pause_on=[]) as box:
        assert box.resume(code).value == "again"


def test_nothing_to_take_a_snapshot_of_is_said(make_sandbox):
    box = make_sandbox()
    box.run("x = 1")
    with pytest.raises(
        hypercell.PolicyError, match="the sandbox keeps no state between runs, and no run waits"
    ):
        box.snapshot()
    assert box.run("1").value == 1
    box.close()
    with pytest.raises(hypercell.SandboxClosedError):
        box.snapshot()


def test_snapshots_leave_nothing_behind(kept, tmp_path):
    kept.save(tmp_path / "file")

    def count():
        return len(list(Path("/proc/self/fd").iterdir())), Path("/proc/self/maps").read_text().count("\n")

    def once():
        snapshot = Snapshot.load(tmp_path / "file")
        with Sandbox.from_snapshot(snapshot, tools=[double], keep_state=True, prepared=0) as box:
            box.run("1")
            box.snapshot()

    for _ in range(3):
        once()
    files, maps = count()
    for _ in range(10):
        once()
    assert count()[0] <= files
    assert count()[1] <= maps + 20


def test_async_sandboxes_share_a_snapshot(kept):
    async def one(n):
        async with AsyncSandbox.from_snapshot(kept, [double]) as box:
            return (await box.run(f"xs.append({n})\nf()")).value

    async def main():
        return await asyncio.gather(*(one(n) for n in range(6)))

    assert asyncio.run(main()) == [2 * n for n in range(6)]
