"""What a sandbox decides is told, to a function, `logging` or a file, and tool calls are asked about first."""

import asyncio
import dataclasses
import datetime
import gc
import hashlib
import io
import json
import logging
import pathlib
import threading

import pytest

import hypercell
from hypercell import _native

DIGITS = frozenset("0123456789abcdef")


def add(a: int, b: int = 1) -> int:
    """Adds."""
    return a + b


async def slow_add(a: int, b: int = 1) -> int:
    """Adds, later."""
    await asyncio.sleep(0)
    return a + b


def digest_of(**arguments):
    return hashlib.sha256(_native.encode_value(arguments)).hexdigest()


def told(events, *names):
    return [(event.event, *(getattr(event, name) for name in names)) for event in events]


def open_files():
    return [link.readlink() for link in pathlib.Path("/proc/self/fd").iterdir() if link.is_symlink()]


@pytest.fixture
def unraisable(monkeypatch):
    """What was reported as Python reports exceptions it cannot raise."""
    reported = []
    monkeypatch.setattr(
        "sys.unraisablehook", lambda info: reported.append((repr(info.exc_value), info.object))
    )
    return reported


def test_life_of_a_sandbox_is_told_in_order(make_sandbox):
    events = []
    box = make_sandbox(on_audit=events.append, keep_state=True)
    box.run("x = 1")
    box.snapshot()
    box.reset()
    box.run("1")
    box.close()
    box.close()
    assert told(events, "run", "decision") == [
        ("sandbox_made", 0, None),
        ("run_started", 1, None),
        ("run_ended", 1, None),
        ("snapshot_taken", 1, None),
        ("state_reset", 1, None),
        ("run_started", 2, None),
        ("run_ended", 2, None),
        ("sandbox_closed", 2, None),
    ]


def test_events_of_two_sandboxes_can_be_told_apart(make_sandbox):
    events = []
    for _ in range(2):
        make_sandbox(on_audit=events.append).run("1")
    sandboxes = [event.sandbox for event in events]
    assert sandboxes == [sandboxes[0]] * 3 + [sandboxes[-1]] * 3
    assert sandboxes[0] != sandboxes[-1]
    assert all(len(sandbox) == 16 and set(sandbox) <= DIGITS for sandbox in sandboxes)


def test_times_are_those_of_the_host_and_in_order(make_sandbox):
    events = []
    before = datetime.datetime.now(datetime.timezone.utc)
    make_sandbox(on_audit=events.append).run("print(1)")
    after = datetime.datetime.now(datetime.timezone.utc)
    times = [event.time for event in events]
    # A float of seconds is exact to less than a microsecond, and is rounded.
    slack = datetime.timedelta(microseconds=1)
    assert before - slack <= times[0] <= times[-1] <= after + slack
    assert times == sorted(times)
    assert {time.tzinfo for time in times} == {datetime.timezone.utc}


def test_tool_calls_are_told_with_a_digest_of_their_arguments(make_sandbox):
    events = []
    box = make_sandbox(tools=[add], on_audit=events.append)
    assert box.run("add(a=1), add(a=1), add(a=2)").value == (2, 2, 3)
    box.run("call_tool('nope', a=2)")
    calls = [event for event in events if event.decision is not None]
    assert told(calls, "decision", "call", "name", "argument_bytes", "arguments_digest", "reason") == [
        ("tool_allowed", "allow", 1, "add", 4, digest_of(a=1), None),
        ("tool_allowed", "allow", 2, "add", 4, digest_of(a=1), None),
        ("tool_allowed", "allow", 3, "add", 4, digest_of(a=2), None),
        ("tool_denied", "deny", None, "nope", 4, digest_of(a=2), "unknown_tool"),
    ]


def test_event_is_frozen_and_shows_and_gives_only_what_it_has(make_sandbox):
    events = []
    make_sandbox(on_audit=events.append).run("1", filename="a\nb.py")
    event = events[1]
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.run = 2
    assert event.to_dict() == {
        "event": "run_started",
        "sandbox": event.sandbox,
        "run": 1,
        "time": event.time.isoformat(timespec="microseconds"),
        "name": "a\nb.py",
        "code_bytes": 1,
    }
    assert datetime.datetime.fromisoformat(event.to_dict()["time"]) == event.time
    shown = f"AuditEvent(event='run_started', sandbox='{event.sandbox}', run=1, time='{event.to_dict()['time']}', "
    assert repr(event) == shown + r"name='a\nb.py', code_bytes=1)"
    assert (event.reason, event.decision) == (None, None)


def test_limit_that_is_reached_is_a_denial(make_sandbox):
    events = []
    box = make_sandbox(limits=hypercell.Limits(output_bytes=10), on_audit=events.append)
    with pytest.raises(hypercell.OutputLimitError):
        box.run("print('x' * 20)")
    reached = [event for event in events if event.decision == "deny"]
    assert told(reached, "limit", "used", "maximum", "unit") == [
        ("limit_reached", "output_bytes", 21.0, 10.0, "bytes")
    ]
    assert (events[-1].event, events[-1].ending) == ("run_ended", "limit")


def test_function_that_raises_is_reported_and_harms_nothing(make_sandbox, unraisable):
    def broken(event):
        raise ValueError(event.event)

    box = make_sandbox(on_audit=broken)
    assert box.run("1 + 1").value == 2
    box.close()
    assert unraisable == [
        (f"ValueError('{event}')", broken)
        for event in ("sandbox_made", "run_started", "run_ended", "sandbox_closed")
    ]


def test_logging_gets_levels_and_structure(make_sandbox, caplog):
    caplog.set_level(logging.DEBUG, "hypercell.audit")
    box = make_sandbox(tools=[add], on_audit=hypercell.audit_to_logging())
    box.run("add(a=1)")
    box.run("call_tool('a\\nWARNING b')")
    records = [(record.levelname, record.audit["event"]) for record in caplog.records]
    assert records == [
        ("INFO", "sandbox_made"),
        ("INFO", "run_started"),
        ("DEBUG", "tool_allowed"),
        ("DEBUG", "tool_answered"),
        ("INFO", "run_ended"),
        ("INFO", "run_started"),
        ("WARNING", "tool_denied"),
        ("INFO", "run_ended"),
    ]
    denied = caplog.records[6]
    # What the guest chose cannot look like another line of the log.
    assert denied.getMessage() == (
        f'tool_denied sandbox="{denied.audit["sandbox"]}" run=2 name="a\\nWARNING b" argument_bytes=1 '
        f'arguments_digest="{digest_of()}" reason="unknown_tool"'
    )
    assert denied.audit["name"] == "a\nWARNING b"


def test_logging_goes_to_the_logger_that_is_given(make_sandbox, caplog):
    caplog.set_level(logging.WARNING, "mine")
    make_sandbox(on_audit=hypercell.audit_to_logging(logging.getLogger("mine"))).run("call_tool('b')")
    assert [(record.name, record.audit["name"]) for record in caplog.records] == [("mine", "b")]


def test_file_gets_json_lines_after_what_it_had(make_sandbox, tmp_path):
    path = tmp_path / "audit.jsonl"
    path.write_text('{"event": "old"}\n')
    events = []
    write = hypercell.audit_to_file(path)

    def both(event):
        events.append(event)
        write(event)

    make_sandbox(tools={"ä": add}, on_audit=both).run("call_tool('ä', a=1); call_tool('\\udc80\\n')")
    lines = path.read_bytes().decode("ascii").splitlines()
    assert [json.loads(line) for line in lines] == [{"event": "old"}, *(event.to_dict() for event in events)]


def test_file_is_closed_with_the_last_who_writes_to_it(tmp_path):
    path = tmp_path / "audit.jsonl"
    write = hypercell.audit_to_file(path)
    assert path in open_files()
    del write
    gc.collect()
    assert path not in open_files()


def test_new_file_is_private(tmp_path):
    hypercell.audit_to_file(str(tmp_path / "audit.jsonl"))
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_lines_of_sandboxes_on_several_threads_do_not_mix(make_sandbox, tmp_path):
    write = hypercell.audit_to_file(tmp_path / "audit.jsonl")
    boxes = [make_sandbox(on_audit=write) for _ in range(4)]
    threads = [
        threading.Thread(target=box.run, args=("for n in range(50): print(n, flush=True)",)) for box in boxes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    written = [line["sandbox"] for line in lines if line["event"] == "output_allowed"]
    assert len(set(written)) == 4
    assert len(written) == 200


def test_text_file_stays_the_callers_and_a_failed_write_is_reported(make_sandbox, unraisable):
    file = io.StringIO()
    write = hypercell.audit_to_file(file)
    box = make_sandbox(on_audit=write)
    assert [json.loads(line)["event"] for line in file.getvalue().splitlines()] == ["sandbox_made"]
    file.close()
    assert box.run("1 + 1").value == 2
    box.close()
    assert unraisable == [("ValueError('I/O operation on closed file')", write)] * 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hypercell.audit_to_file(5), "file must be a path or a text file, got int"),
        (lambda: hypercell.audit_to_file(io.BytesIO()), "file must be a path or a text file, got BytesIO"),
        (lambda: hypercell.audit_to_logging("mine"), "logger must be a logging.Logger, got str"),
        (lambda: hypercell.Sandbox(on_audit="mine"), "on_audit must be callable, got str"),
        (lambda: hypercell.Sandbox(before_tool_call=5), "before_tool_call must be callable, got int"),
        (
            lambda: hypercell.AsyncSandbox(before_tool_call=slow_add),
            "before_tool_call must be a sync function, got an async one",
        ),
    ],
)
def test_what_cannot_hear_is_refused(make, message):
    with pytest.raises(hypercell.PolicyError) as raised:
        make()
    assert str(raised.value) == message


GATHERED = """
import asyncio
outcomes = await asyncio.gather(*[call_tool_async(name, a=a) for name, a in calls], return_exceptions=True)
[str(outcome) for outcome in outcomes]
"""


def judge(request):
    """Denies 13, doubles 7."""
    if request.arguments["a"] == 13:
        raise hypercell.DeniedError("13 is not allowed")
    return {"a": 14, "b": 100} if request.arguments["a"] == 7 else None


def test_hook_sees_calls_by_name_and_may_edit_or_deny_them(make_sandbox):
    asked, events = [], []

    def hook(request):
        asked.append(request)
        return judge(request)

    box = make_sandbox(tools=[add, slow_add], before_tool_call=hook, on_audit=events.append)
    code = """
outcomes = []
for tool in (add, slow_add):
    for a in (1, 7, 13):
        try:
            outcomes.append(tool(a, b=2))
        except ToolError as error:
            outcomes.append(str(error))
outcomes
"""
    result = box.run(code)
    result.raise_for_error()
    assert result.value == [
        *(3, 114, "tool 'add' failed: PermissionError: 13 is not allowed"),
        *(3, 114, "tool 'slow_add' failed: PermissionError: 13 is not allowed"),
    ]
    assert asked == [
        hypercell.ToolRequest(tool, {"a": a, "b": 2}, 6) for tool in ("add", "slow_add") for a in (1, 7, 13)
    ]
    seen = [event for event in events if event.event in ("tool_denied", "tool_rewritten")]
    edited = digest_of(a=14, b=100)
    assert told(seen, "run", "call", "name", "arguments_digest", "reason") == [
        ("tool_rewritten", 1, 2, "add", edited, None),
        ("tool_denied", 1, 3, "add", None, "13 is not allowed"),
        ("tool_rewritten", 1, 5, "slow_add", edited, None),
        ("tool_denied", 1, 6, "slow_add", None, "13 is not allowed"),
    ]


CALLS = [[name, a] for name in ("add", "slow_add") for a in (1, 7, 13)]
ANSWERS = [
    *("2", "114", "tool 'add' failed: PermissionError: 13 is not allowed"),
    *("2", "114", "tool 'slow_add' failed: PermissionError: 13 is not allowed"),
]


@pytest.mark.gate("ToolWait", aspect="denied_by_rule")
def test_hook_is_asked_about_each_of_the_calls_beside_each_other(make_sandbox):
    box = make_sandbox(tools=[add, slow_add], before_tool_call=judge)
    assert box.run(GATHERED, inputs={"calls": CALLS}).value == ANSWERS


@pytest.mark.usefixtures("hypercell_with_image")
def test_async_sandbox_asks_and_tells_too():
    async def main():
        events = []
        tools = [add, slow_add]
        async with hypercell.AsyncSandbox(tools, before_tool_call=judge, on_audit=events.append) as box:
            result = await box.run(GATHERED, inputs={"calls": CALLS})
        return result.value, events

    answers, events = asyncio.run(main())
    assert answers == ANSWERS
    assert [event.reason for event in events if event.event == "tool_denied"] == ["13 is not allowed"] * 2


@pytest.mark.gate("ToolCall", aspect="denied_by_rule")
def test_denied_tool_does_not_run(make_sandbox):
    ran = []

    def note(a: int) -> None:
        """Notes."""
        ran.append(a)

    box = make_sandbox(tools=[note], before_tool_call=judge)
    box.run("note(1)")
    assert box.run("note(13)").error.message == "tool 'note' failed: PermissionError: 13 is not allowed"
    assert ran == [1]


def test_hook_is_not_asked_about_arguments_that_do_not_fit(make_sandbox):
    asked = []
    box = make_sandbox(tools=[add], before_tool_call=asked.append)
    assert box.run("add(b=1)").error.message == "add: missing argument 'a'; it takes a, b"
    assert box.run("add(a='1')").error.message == "add: argument 'a' must be int, got str '1'"
    assert asked == []


def test_hook_sees_arguments_as_deep_as_they_may_be(make_sandbox):
    def depth(tree: list) -> int:
        """Counts."""
        count = 0
        while tree:
            count, tree = count + 1, tree[0]
        return count

    box = make_sandbox(tools=[depth], before_tool_call=lambda _: None)
    code = """
deepest = 0
for wanted in range(1, 2000):
    tree = []
    for _ in range(wanted):
        tree = [tree]
    try:
        deepest = depth(tree)
    except Exception as error:
        refusal = type(error).__name__
        break
deepest, refusal
"""
    deepest, refusal = box.run(code).value
    assert (deepest, refusal) == make_sandbox(tools=[depth]).run(code).value
    assert deepest > 20


def test_edited_arguments_are_checked_and_in_place_changes_do_not_count(make_sandbox):
    def hook(request):
        if request.arguments["a"] == 1:
            return {"a": "one"}
        request.arguments["a"] = 1000
        return None

    box = make_sandbox(tools=[add], before_tool_call=hook)
    assert box.run("add(a=1)").error.message == "add: argument 'a' must be int, got str 'one'"
    assert box.run("add(a=2)").value == 3


@pytest.mark.parametrize("code", ["add(a=1)", "await call_tool_async('add', a=1)"])
@pytest.mark.parametrize(
    ("hook", "error", "message"),
    [
        (lambda _: 1 / 0, ZeroDivisionError, "division by zero"),
        (lambda _: True, TypeError, "before_tool_call must return a mapping or None, got bool"),
    ],
)
def test_hook_that_fails_denies_ends_the_run_and_is_raised_there(make_sandbox, code, hook, error, message):
    ran, events = [], []

    def noting(a: int) -> None:
        """Notes."""
        ran.append(a)

    box = make_sandbox(tools={"add": noting}, before_tool_call=hook, on_audit=events.append)
    with pytest.raises(error) as raised:
        box.run(code)
    assert (str(raised.value), ran) == (message, [])
    denied = [event for event in events if event.decision == "deny"]
    assert told(denied, "name", "reason") == [("tool_denied", "add", "before_tool_call failed")]
    assert box.run("1 + 1").value == 2


def test_hook_is_asked_when_a_paused_call_goes_on_to_its_tool(make_sandbox):
    box = make_sandbox(tools=[add], pause_on=["add"], before_tool_call=judge)
    box.run("add(a=13)")
    result = box.resume(arguments={"a": 13})
    assert result.error.message == "tool 'add' failed: PermissionError: 13 is not allowed"
    box.run("add(a=13)")
    assert box.resume(5).value == 5
