"""Runs that pause at a tool call: answered here, from a snapshot, or in another process."""

import asyncio
import os
import sys
import threading
import time

import pytest

import hypercell
from hypercell import AsyncSandbox, Limits, Mount, PendingCall, Pool, Sandbox, Snapshot
from paused_runs import TOOLS, approve, double

pytestmark = pytest.mark.usefixtures("hypercell_with_image")


def test_paused_run_gets_a_value(paused):
    with Sandbox.from_snapshot(paused, tools=TOOLS) as box:
        assert repr(box) == "<hypercell.Sandbox paused, tools ['double', 'approve']>"
        assert box.pending == PendingCall("approve", {"what": "mail"}, 3)
        result = box.resume({"by": "me"})
        assert (result.value, result.stdout, result.pending) == ([8, {"by": "me"}], "before\nafter\n", None)
        assert result.usage.tool_calls == 2
        assert box.pending is None


def test_paused_run_gets_an_exception(paused):
    with Sandbox.from_snapshot(paused, tools=TOOLS) as box:
        result = box.resume(error=PermissionError("not today"))
        assert (result.error.type, result.error.line) == ("ToolError", 3)
        assert result.error.message == "tool 'approve' failed: PermissionError: not today"


def test_paused_run_gets_what_its_tool_answers_to_edited_arguments(paused):
    asked = []

    def approve(what: str) -> str:
        asked.append(what)
        return what.upper()

    with Sandbox.from_snapshot(paused, tools=[double, approve]) as box:
        assert box.resume(arguments={"what": "nothing"}).value == [8, "NOTHING"]
    with Sandbox.from_snapshot(paused, tools=[double, approve]) as box:
        result = box.resume(arguments={"what": 5})
        assert result.error.type == "TypeError"
    assert asked == ["nothing"]


def test_tool_that_fails_or_answers_what_cannot_cross_fails_in_the_guest(paused):
    def answer(error):
        def approve(what: str) -> object:
            if error:
                raise KeyError("x")
            return sys

        with Sandbox.from_snapshot(paused, tools=[double, approve]) as box:
            return box.resume(arguments={"what": ""}).error.message

    assert answer(True) == "tool 'approve' failed: KeyError: 'x'"
    assert answer(False) == "tool 'approve' failed: ValueNotSendableError: result: cannot send a module"


def test_value_that_cannot_cross_leaves_the_run_paused(paused):
    with Sandbox.from_snapshot(paused, tools=TOOLS) as box:
        with pytest.raises(hypercell.ValueNotSendableError):
            box.resume(sys)
        with pytest.raises(hypercell.ValueNotSendableError):
            box.resume(b"x" * (17 << 20))
        assert box.pending is not None
        assert box.resume(1).value == [8, 1]


def test_run_pauses_as_often_as_it_calls(make_sandbox):
    box = make_sandbox(tools=TOOLS, pause_on=["approve"])
    result = box.run("[approve(what=str(n)) for n in range(3)]")
    for n in range(3):
        assert result.pending == box.pending == PendingCall("approve", {"what": str(n)}, 1)
        result = box.resume(n)
    assert result.value == [0, 1, 2]


def test_each_pause_can_be_saved(make_sandbox, tmp_path):
    box = make_sandbox(tools=TOOLS, pause_on=["approve"], keep_state=True)
    result = box.run("total = sum(approve(what=str(n)) for n in range(3))\ntotal")
    n = 0
    while result.pending is not None:
        assert result.pending.arguments == {"what": str(n)}
        box.snapshot().save(tmp_path / "file")
        box.close()
        box = Sandbox.from_snapshot(Snapshot.load(tmp_path / "file"), tools=TOOLS)
        result = box.resume(10)
        n += 1
    assert (n, result.value) == (3, 30)
    assert box.run("total + 1").value == 31, "state that was to be kept is"
    box.close()


def test_positional_arguments_of_a_paused_call_have_names(make_sandbox):
    box = make_sandbox(tools=TOOLS, pause_on=["approve"])
    assert box.run("approve('mail')").pending == PendingCall("approve", {"what": "mail"}, 1)
    assert box.snapshot().pending == PendingCall("approve", {"": ["mail"]}, 1)


def test_run_pauses_when_its_other_calls_are_done(make_sandbox):
    seen = []

    async def slow(n: int) -> int:
        await asyncio.sleep(0.05)
        seen.append(n)
        return n

    box = make_sandbox(tools=[slow, approve], pause_on=["approve"])
    code = """
import asyncio
async def main():
    calls = [call_tool_async("slow", n=1), call_tool_async("approve", what="a"), call_tool_async("slow", n=2)]
    calls.append(call_tool_async("approve", what="b"))
    return await asyncio.gather(*calls)
await main()
"""
    assert box.run(code).pending == PendingCall("approve", {"what": "a"}, 4)
    assert sorted(seen) == [1, 2]
    first = box.snapshot()
    assert box.resume("A").pending == PendingCall("approve", {"what": "b"}, 5)
    second = box.snapshot()
    assert box.resume("B").value == [1, "A", 2, "B"]
    with Sandbox.from_snapshot(first, tools=[slow, approve]) as copy:
        assert copy.resume("x").pending == PendingCall("approve", {"what": "b"}, 5)
        assert copy.resume(error=ValueError("no")).error.message == "tool 'approve' failed: ValueError: no"
    with Sandbox.from_snapshot(second, tools=[slow, approve]) as copy:
        assert copy.resume("y").value == [1, "A", 2, "y"]
    assert sorted(seen) == [1, 2], "no tool ran twice"


def test_call_that_waits_pauses_with_others_done(make_sandbox):
    async def slow(n: int) -> int:
        await asyncio.sleep(0.05)
        return n

    box = make_sandbox(tools=[slow, approve], pause_on=["approve"])
    code = """
import asyncio
async def main():
    task = asyncio.ensure_future(call_tool_async("slow", n=1))
    await asyncio.sleep(0.01)
    said = approve(what="now")
    return [said, await task]
await main()
"""
    assert box.run(code).pending == PendingCall("approve", {"what": "now"}, 6)
    snapshot = box.snapshot()
    assert box.resume(1).value == [1, 1]
    with Sandbox.from_snapshot(snapshot, tools=[slow, approve]) as copy:
        assert copy.resume(2).value == [2, 1]


def test_call_that_was_cancelled_pauses_nothing(make_sandbox):
    async def slow(n: int) -> int:
        await asyncio.sleep(0.2)
        return n

    box = make_sandbox(tools=[slow, approve], pause_on=["approve"])
    code = """
import asyncio
async def main():
    slow = asyncio.ensure_future(call_tool_async("slow", n=1))
    try:
        await asyncio.wait_for(call_tool_async("approve", what="late"), 0.05)
    except asyncio.TimeoutError:
        return ["gave up", await slow]
await main()
"""
    assert box.run(code).value == ["gave up", 1]


def test_no_time_passes_while_a_run_is_paused(make_sandbox):
    box = make_sandbox(tools=TOOLS, pause_on=["approve"], limits=Limits(wall_time_s=0.5))
    box.run("approve(what='')\n1")
    time.sleep(0.7)
    snapshot = box.snapshot()
    result = box.resume(None)
    assert result.value == 1
    assert result.usage.wall_time_s < 0.5
    with Sandbox.from_snapshot(snapshot, tools=TOOLS) as copy:
        time.sleep(0.7)
        assert copy.resume(None).value == 1


def test_time_before_and_after_a_pause_counts(make_sandbox):
    box = make_sandbox(tools=TOOLS, pause_on=["approve"], limits=Limits(wall_time_s=1))
    box.run("import time\ntime.sleep(0.7)\napprove(what='')\ntime.sleep(0.7)")
    snapshot = box.snapshot()
    for one in (box, Sandbox.from_snapshot(snapshot, tools=TOOLS)):
        started = time.monotonic()
        with pytest.raises(hypercell.TimeLimitError) as raised:
            one.resume(None)
        assert time.monotonic() - started < 0.65
        assert 1 <= raised.value.used < 1.5
        assert raised.value.result.pending is None
        one.close()


def test_limits_before_and_after_a_pause_count(make_sandbox):
    limits = Limits(tool_calls=3, output_bytes=8)
    box = make_sandbox(tools=TOOLS, pause_on=["approve"], limits=limits)
    box.run("print('12345')\ndouble(1)\nwhat = approve(what='')\nexec(what)")
    snapshot = box.snapshot()

    def rest(code):
        with Sandbox.from_snapshot(snapshot, tools=TOOLS) as copy:
            return copy.resume(code)

    assert rest("double(1); print('7')").stdout == "12345\n7\n"
    with pytest.raises(hypercell.ToolLimitError, match="4 calls exceed tool_calls, which is 3"):
        rest("double(1); double(1)")
    with pytest.raises(hypercell.OutputLimitError, match="9 bytes exceed output_bytes, which is 8") as raised:
        rest("print('78')")
    assert raised.value.result.stdout == "12345\n78"


def test_usage_of_a_paused_run_adds_up(make_sandbox):
    box = make_sandbox(tools=TOOLS, pause_on=["approve"])
    code = "import os\nfor _ in range(50): os.getppid()\napprove(what='')\nfor _ in range(50): os.getppid()"
    before = box.run(code).usage
    snapshot = box.snapshot()
    after = box.resume(None).usage
    with Sandbox.from_snapshot(snapshot, tools=TOOLS) as copy:
        elsewhere = copy.resume(None).usage
    assert before.syscalls >= 50
    for usage in (after, elsewhere):
        assert before.syscalls + 50 <= usage.syscalls < before.syscalls + 500
        assert before.page_faults <= usage.page_faults < before.page_faults + 2000
        assert before.turns < usage.turns


def test_paused_run_keeps_others_out_until_it_is_dropped(make_sandbox):
    box = make_sandbox(tools=TOOLS, pause_on=["approve"])
    box.run("approve(what='')")
    with pytest.raises(
        hypercell.SandboxBusyError, match='the last run still waits for the result of the tool "approve"'
    ):
        box.run("1")
    box.reset()
    assert box.pending is None
    with pytest.raises(hypercell.PolicyError, match="no run is paused in this sandbox"):
        box.resume(1)
    assert box.run("1").value == 1


def test_paused_run_can_be_cancelled_and_closed(make_sandbox):
    box = make_sandbox(tools=TOOLS, pause_on=["approve"])
    assert not box.cancel()
    box.run("approve(what='')")
    assert box.cancel()
    with pytest.raises(hypercell.RunCancelledError, match="the run was cancelled: cancelled by the caller"):
        box.resume(1)
    assert box.pending is None
    box.run("approve(what='')")
    box.cancel()
    assert box.run("2").value == 2, "a new run takes the place of one that was cancelled"
    box.run("approve(what='')")
    box.close()
    assert box.pending is None
    with pytest.raises(hypercell.SandboxClosedError):
        box.resume(1)


@pytest.mark.parametrize("keep_state", [False, True])
def test_no_snapshot_is_taken_of_a_paused_run_that_was_cancelled(make_sandbox, keep_state):
    box = make_sandbox(tools=TOOLS, pause_on=["approve"], keep_state=keep_state)
    box.run("approve(what='')")
    assert box.cancel()
    with pytest.raises(hypercell.RunCancelledError):
        box.snapshot()
    assert box.pending is None
    box.reset()
    assert box.run("1").value == 1


def test_state_lost_with_a_cancelled_pause_is_not_lost_in_silence(make_sandbox):
    box = make_sandbox(tools=TOOLS, pause_on=["approve"], keep_state=True)
    box.run("kept = 1")
    box.run("approve(what='')")
    assert box.cancel()
    with pytest.raises(hypercell.RunCancelledError):
        box.run("kept")
    with pytest.raises(hypercell.SandboxPoisonedError):
        box.run("kept")
    box.reset()
    assert box.run("'kept' in globals()").value is False


def test_pause_gives_its_vm_up_for_the_pool():
    with (
        Pool(prepared=1, max_prepared=1) as pool,
        Sandbox(tools=TOOLS, pool=pool, pause_on=["approve"]) as box,
    ):
        assert pool.wait_ready()
        box.run("approve(what='')")
        assert pool.wait_ready()
        assert pool.stats().leased == 0
        assert box.resume(7).value == 7


def test_hung_tool_of_a_resumed_run_is_left_behind():
    release = threading.Event()

    def approve(what: str) -> bool:
        release.wait(20)
        return True

    short = Limits(wall_time_s=0.3)
    with Sandbox(tools=[double, approve], pause_on=["approve"], limits=short) as box:
        box.run("approve(what='')")
        snapshot = box.snapshot()
    with Sandbox.from_snapshot(snapshot, tools=[double, approve]) as box:
        with pytest.raises(hypercell.TimeLimitError) as raised:
            box.resume(arguments=box.pending.arguments)
        assert raised.value.tool == "approve"
        assert box.pending is None
        with pytest.raises(hypercell.PolicyError):
            box.run("1")
    release.set()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (((), {}), "resume takes one of a value, error= and arguments=, got 0"),
        (((1,), {"error": ValueError()}), "resume takes one of a value, error= and arguments=, got 2"),
        (((), {"error": "no"}), "error must be an exception, got str"),
        (((), {"arguments": [1]}), "arguments must be a mapping with names, got list"),
        (((), {"arguments": {1: 2}}), "arguments must be a mapping with names, got dict"),
    ],
)
def test_answer_that_is_none_is_refused(paused, answer, reason):
    with Sandbox.from_snapshot(paused, tools=TOOLS) as box:
        with pytest.raises(hypercell.PolicyError) as raised:
            box.resume(*answer[0], **answer[1])
        assert str(raised.value) == reason
        assert box.pending is not None


def test_audit_tells_of_pauses(make_sandbox):
    events = []
    box = make_sandbox(tools=TOOLS, pause_on=["approve"], on_audit=events.append)
    box.run("approve(what='')")
    snapshot = box.snapshot()
    box.resume(1)
    assert [event.event for event in events] == [
        "sandbox_made",
        "run_started",
        "tool_allowed",
        "run_paused",
        "snapshot_taken",
        "tool_answered",
        "run_resumed",
        "run_ended",
    ]
    events.clear()
    with Sandbox.from_snapshot(snapshot, tools=TOOLS, on_audit=events.append) as copy:
        copy.resume(1)
    assert [(event.event, event.run) for event in events] == [
        ("sandbox_made", 0),
        ("tool_answered", 1),
        ("run_resumed", 1),
        ("run_ended", 1),
        ("sandbox_closed", 1),
    ]


def test_forked_child_says_that_the_paused_run_is_its_parents(make_sandbox, paused):
    box = make_sandbox(tools=TOOLS, pause_on=["approve"])
    box.run("approve(what='')")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            box.resume(1)
        except hypercell.RunCancelledError as error:
            os.write(writer, str(error).encode())
        with Sandbox.from_snapshot(paused, tools=TOOLS) as copy:
            os.write(writer, repr(copy.resume(3).value).encode())
        os._exit(0)
    os.close(writer)
    assert os.waitpid(child, 0)[1] == 0
    told = os.read(reader, 1000).decode()
    os.close(reader)
    assert "it began in another process, which this one was forked from" in told
    assert told.endswith("[8, 3]")
    assert box.resume(2).value == 2


def test_async_sandbox_pauses_and_goes_on(tmp_path):
    async def main():
        async with AsyncSandbox(TOOLS, pause_on=["approve"]) as box:
            assert box.pending is None
            result = await box.run("n = double(2)\n[n, approve(what='x')]")
            assert result.pending == box.pending == PendingCall("approve", {"what": "x"}, 2)
            assert repr(box) == "<hypercell.AsyncSandbox paused, tools ['double', 'approve']>"
            snapshot = await box.snapshot()
            assert (await box.resume(True)).value == [4, True]
        snapshot.save(tmp_path / "file")
        box = AsyncSandbox.from_snapshot(Snapshot.load(tmp_path / "file"), TOOLS)
        assert box.pending == PendingCall("approve", {"what": "x"}, 2)
        with pytest.raises(hypercell.PolicyError):
            await box.resume()
        assert (await box.resume(5)).value == [4, 5]
        await box.aclose()
        with pytest.raises(hypercell.PolicyError, match="snapshot must be a Snapshot, got str"):
            AsyncSandbox.from_snapshot("file")

    asyncio.run(main())


def test_task_that_is_cancelled_drops_its_resumed_run(paused):
    async def approve(what: str) -> bool:
        await asyncio.sleep(30)
        return True

    async def main():
        async with AsyncSandbox.from_snapshot(paused, [double, approve]) as box:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(box.resume(arguments={"what": ""}), 0.3)
            assert box.pending is None

    started = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - started < 10


def test_paused_run_goes_on_with_its_mounts_wherever_they_are(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    code = """
open_file = open("/data/file")
before = open_file.read()
open("/output/early", "w").write("early")
approve(what="x")
open("/data/new", "w").write("new")
try:
    stale = open_file.seek(0) or open_file.read()
except OSError as error:
    stale = type(error).__name__
[before, open("/data/file").read(), stale]
"""
    with Sandbox(
        tools=[approve], pause_on=["approve"], mounts=[Mount(tmp_path / "one", "/data", mode="rw")]
    ) as box:
        box.run(code)
        snapshot = box.snapshot()
        result = box.resume(None)
    assert result.value == ["one", "one", "one"]
    assert [(file.path, file.data) for file in result.files.values()] == [("early", b"early")]
    mounts = [Mount(tmp_path / "two", "/data", mode="rw")]
    with Sandbox.from_snapshot(snapshot, tools=[approve], mounts=mounts) as copy:
        result = copy.resume(None)
    assert result.error is None, result.error
    before, after, stale = result.value
    assert (before, after) == ("one", "two")
    assert stale in ("OSError", "one"), "what was open elsewhere is gone, or was read already"
    assert list(result.files) == ["early"]
    assert (tmp_path / "two" / "new").read_text() == "new"


def test_paused_run_goes_on_with_its_mounts_and_domains_alone(tmp_path):
    domains = [("example.org", "GET")]
    with Sandbox(tools=[approve], pause_on=["approve"], mounts=[(tmp_path, "/data")], domains=domains) as box:
        box.run("approve(what='x')\n7")
        snapshot = box.snapshot()
    options = {"tools": [approve], "mounts": [(tmp_path, "/data")], "domains": domains}
    for change, reason in [
        ({"mounts": []}, "mounts are []; the run that this snapshot is of began with [/data ro]"),
        ({"mounts": [Mount(tmp_path, "/data", mode="rw")]}, "mounts are [/data rw]; the run"),
        ({"mounts": [(tmp_path, "/other")]}, "mounts are [/other ro]; the run"),
        ({"domains": []}, "domains are []; the run that this snapshot is of began with [example.org GET]"),
        ({"domains": ["example.org"]}, "domains are [example.org]; the run"),
        ({"domains": [*domains, "other.org"]}, "domains are [example.org GET, other.org]; the run"),
    ]:
        with pytest.raises(hypercell.PolicyError) as raised:
            Sandbox.from_snapshot(snapshot, **{**options, **change})
        assert reason in str(raised.value)
    secret = [hypercell.Domain("example.org", "GET", headers={"Authorization": "x"})]
    with Sandbox.from_snapshot(snapshot, **{**options, "domains": secret}) as copy:
        assert copy.resume(None).value == 7


def test_what_a_paused_run_used_of_files_counts_on(tmp_path):
    (tmp_path / "file").write_text("x" * 100)
    limits = Limits(file_read_bytes=250, file_count=1)
    mounts = [Mount(tmp_path, "/data", mode="rw", max_bytes=10)]
    with Sandbox(tools=[approve], pause_on=["approve"], mounts=mounts, limits=limits) as box:
        box.run(
            "open('/data/file').read()\nopen('/data/new', 'w').write('y' * 6)\ncode = approve(what='')\nexec(code)"
        )
        snapshot = box.snapshot()

    def rest(code):
        with Sandbox.from_snapshot(snapshot, tools=[approve], mounts=mounts) as copy:
            return copy.resume(code)

    assert rest("open('/data/file').read()").error is None
    with pytest.raises(hypercell.FileLimitError, match="file_read_bytes, which is 250"):
        rest("open('/data/file').read(); open('/data/file').read()")
    with pytest.raises(hypercell.FileLimitError, match="file_count, which is 1"):
        rest("open('/data/more', 'w')")
    append = "with open('/data/new', 'a') as file: file.write('y' * {})"
    assert rest(append.format(5)).error.type == "OSError"
    assert rest(append.format(4)).error is None
