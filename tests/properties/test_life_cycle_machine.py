"""The life of sandboxes and snapshots in any order of calls, against a model in plain Python.

The model says of each call what it returns or which error it raises. Each run adds a number that no other run has to a
list in its globals, so that whatever a sandbox sees of another one, or of a run that it should not remember, shows up.

`HYPERCELL_TEST_HYPOTHESIS=nightly` tries 3,000 lives of 50 calls in place of 25 of 20.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

import hypercell
from hypercell import Limits, Sandbox, Snapshot

IS_NIGHTLY = os.environ.get("HYPERCELL_TEST_HYPOTHESIS") == "nightly"
# Output has room for what CPython prints when it crashes.
MAX_CALLS, MAX_OUTPUT = 6, 8192
# A loop ends by the first. Programs that wait run in sandboxes with the second, others have the third.
GUEST_TIME_S, SHORT_S, LONG_S = 0.5, 1.0, 60.0
MAX_BOXES, MAX_SNAPSHOTS = 6, 3
BUSY = "SandboxBusyError"
HEAD = "xs = globals().get('xs', [])\nxs.append(n)\nprint('ran', n, flush=True)\n"
# A call without a name, written past guest Python.
FORGED = r"""
import os, struct
device = os.open("/dev/hypercell", os.O_RDWR)
body = b"\xa1bid\x01"
os.write(device, struct.pack("<IHHII", 0x4C454348, 1, 0x0103, len(body), 0) + body)
os.read(device, 100)
"""


class Stop(BaseException):
    """What a tool raises to stop the run that called it."""


@dataclass(frozen=True)
class Program:
    """What follows `HEAD`, and how a run of it ends."""

    code: str
    #: What `run` raises.
    raises: type[BaseException] | None = None
    #: Attributes of that.
    attributes: dict[str, Any] = field(default_factory=dict)
    #: Type of the error of the result.
    error: str | None = None
    exit_code: int | None = None
    value: Any = None
    tool_calls: int = 0
    loses_state: bool = False
    #: Whether only the wall time ends it.
    waits: bool = False


OWN_LIST = object()
FILLER = f"import sys\nsys.stdout.write('x' * ({MAX_OUTPUT} - len(f'ran {{n}}\\n')"
PROGRAMS = {
    "value": Program("list(xs)", value=OWN_LIST),
    "exception": Program("raise ValueError(n)", error="ValueError"),
    "exit": Program("import sys\nsys.exit(3)", error="SystemExit", exit_code=3),
    "exit past Python": Program("import os\nos._exit(4)", error="SystemExit", exit_code=4, loses_state=True),
    "value that cannot cross": Program("lambda: 0", error="ValueNotSendableError"),
    "more memory than there is": Program("bytearray(1 << 40)", error="MemoryError"),
    "as many calls as allowed": Program(
        f"[add(n=i) for i in range({MAX_CALLS})]",
        value=list(range(1, MAX_CALLS + 1)),
        tool_calls=MAX_CALLS,
    ),
    "a call too many": Program(
        "while True: add(n=1)",
        raises=hypercell.ToolLimitError,
        attributes={"limit": "tool_calls", "used": MAX_CALLS + 1, "maximum": MAX_CALLS},
        tool_calls=MAX_CALLS + 1,
    ),
    "tool that fails": Program("fail()", error="ToolError", tool_calls=1),
    "tool that is none": Program("call_tool('none')", error="ToolError", tool_calls=1),
    "as much output as allowed": Program(f"{FILLER}))\nlist(xs)", value=OWN_LIST),
    "a character too many": Program(
        f"{FILLER} + 1))\nsys.stdout.flush()",
        raises=hypercell.OutputLimitError,
        attributes={"limit": "output_bytes", "used": MAX_OUTPUT + 1, "maximum": MAX_OUTPUT},
    ),
    "crash": Program("import ctypes\nctypes.string_at(0)", raises=hypercell.GuestCrashError),
    "forged frame": Program(FORGED, raises=hypercell.ProtocolError),
    "endless loop": Program(
        "while True: pass",
        raises=hypercell.TimeLimitError,
        attributes={"limit": "guest_time_s", "tool": None},
    ),
    "endless sleep": Program(
        "import time\ntime.sleep(600)",
        raises=hypercell.TimeLimitError,
        attributes={"limit": "wall_time_s", "tool": None},
        waits=True,
    ),
    "tool that hangs": Program(
        "hang()",
        raises=hypercell.TimeLimitError,
        attributes={"limit": "wall_time_s", "tool": "hang"},
        tool_calls=1,
        waits=True,
    ),
    "tool that cancels": Program("cancel()", raises=hypercell.RunCancelledError, tool_calls=1),
    "tool that closes": Program("close()", raises=hypercell.SandboxClosedError),
    "tool that stops": Program("stop()", raises=Stop),
    "tool that uses its own sandbox": Program("use()", value=[BUSY] * 4, tool_calls=1),
}


@dataclass
class Paused:
    """A run that waits at the first of some calls of `ask`."""

    number: int
    xs: list[int]
    calls: int
    got: list[Any] = field(default_factory=list)
    is_cancelled: bool = False


@dataclass
class Life:
    """A sandbox, and what the model knows of it."""

    box: Any
    keeps: bool
    waits: bool
    #: What a first run finds; None where no run can begin.
    base: list[int] | None
    #: What the next run finds.
    xs: list[int] | None
    paused: Paused | None = None
    is_lost: bool = False
    is_closed: bool = False

    def end_run(self, xs: list[int]) -> None:
        """Notes that a run came to its end with these numbers."""
        self.paused = None
        self.xs = xs if self.keeps else self.base

    def lose(self) -> None:
        """Notes that a run lost its VM."""
        self.paused = None
        self.xs, self.is_lost = self.base, self.keeps

    def refusal(self) -> type[BaseException] | None:
        """Returns what every use of the sandbox raises, if it cannot be used."""
        if self.is_closed:
            return hypercell.SandboxClosedError
        return hypercell.SandboxPoisonedError if self.is_lost else None

    def refusal_of_run(self) -> type[BaseException] | None:
        if self.refusal() is not None:
            return self.refusal()
        if self.paused is not None and not self.paused.is_cancelled:
            return hypercell.SandboxBusyError
        if self.paused is not None and self.keeps:
            return hypercell.RunCancelledError
        return hypercell.PolicyError if self.xs is None else None

    def refusal_of_resume(self) -> type[BaseException] | None:
        return self.refusal() or (hypercell.PolicyError if self.paused is None else None)

    def refusal_of_snapshot(self) -> type[BaseException] | None:
        if self.refusal() is not None:
            return self.refusal()
        if self.paused is not None:
            return hypercell.RunCancelledError if self.paused.is_cancelled else None
        return None if self.keeps and self.xs is not None else hypercell.PolicyError


@dataclass(frozen=True)
class Taken:
    """A snapshot, and what the model knows of it."""

    snapshot: Any
    keeps: bool
    waits: bool
    xs: list[int] | None
    paused: Paused | None


@contextlib.contextmanager
def refused(kind: type[BaseException] | None) -> Iterator[None]:
    """Expects exactly this error, or none."""
    if kind is None:
        yield
        return
    with pytest.raises(kind) as raised:
        yield
    allowed = {kind, hypercell.CodeLimitError} if kind is hypercell.PolicyError else {kind}
    assert type(raised.value) in allowed, repr(raised.value)


class Lives(RuleBasedStateMachine):
    """Sandboxes and snapshots, made, used and ended in any order."""

    boxes = Bundle("boxes")
    snapshots = Bundle("snapshots")

    def __init__(self) -> None:
        super().__init__()
        self.lives: list[Life] = []
        self.taken = 0
        self.numbers = itertools.count(1)
        self.release = threading.Event()
        self.has_begun = threading.Event()
        self.directory = tempfile.TemporaryDirectory()

    def tools(self, own: list[Life]) -> dict[str, Callable[..., Any]]:
        """Returns tools that use the sandbox they are given to, which is in `own` by the time they are called."""

        def add(n: int) -> int:
            return n + 1

        def ask(n: int) -> int:
            return n * 10

        def fail() -> None:
            raise KeyError("failed")

        def hang() -> None:
            self.release.wait(LONG_S)

        def begin() -> None:
            self.has_begun.set()

        def cancel() -> None:
            assert own[0].box.cancel()

        def close() -> None:
            own[0].box.close()

        def stop() -> None:
            raise Stop

        def use() -> list[str]:
            box = own[0].box
            return [
                _raised(use) for use in (lambda: box.run("1"), lambda: box.resume(1), box.reset, box.snapshot)
            ]

        return {one.__name__: one for one in (add, ask, fail, hang, begin, cancel, close, stop, use)}

    def adopt(self, own: list[Life], life: Life) -> Life:
        own.append(life)
        self.lives.append(life)
        return life

    # --- making ---

    @precondition(lambda self: len(self.lives) < MAX_BOXES)
    @rule(target=boxes, keeps=st.booleans(), waits=st.booleans(), prepared=st.sampled_from([None, 0]))
    def make(self, keeps: bool, waits: bool, prepared: int | None) -> Life:
        own: list[Life] = []
        box = Sandbox(
            self.tools(own), limits=limits(waits), keep_state=keeps, prepared=prepared, pause_on=["ask"]
        )
        return self.adopt(own, Life(box, keeps, waits, base=[], xs=[]))

    @precondition(lambda self: len(self.lives) < MAX_BOXES)
    @rule(target=boxes, taken=snapshots, keeps=st.sampled_from([None, True, False]))
    def go_on_from(self, taken: Taken, keeps: bool | None) -> Any:
        own: list[Life] = []
        is_paused = taken.paused is not None
        begins_other = is_paused and keeps not in (None, taken.keeps)
        with refused(hypercell.PolicyError if begins_other else None):
            box = Sandbox.from_snapshot(taken.snapshot, self.tools(own), keep_state=keeps)
        if begins_other:
            return self.make(bool(keeps), False, None)
        if keeps is None:
            keeps = is_paused and taken.keeps
        life = Life(box, keeps, taken.waits, taken.xs, taken.xs, copy.deepcopy(taken.paused))
        return self.adopt(own, life)

    @precondition(lambda self: self.taken < MAX_SNAPSHOTS)
    @rule(target=snapshots, life=boxes, saves=st.booleans())
    def snapshot(self, life: Life, saves: bool) -> Any:
        refusal = life.refusal_of_snapshot()
        with refused(refusal):
            snapshot = life.box.snapshot()
        if refusal is not None:
            self.note_refusal(life, refusal)
            return multiple()
        self.taken += 1
        if saves:
            path = Path(self.directory.name) / "snapshot"
            snapshot = Snapshot.load(path, digest=snapshot.save(path))
        assert snapshot.keep_state is life.keeps
        assert (snapshot.pending is not None) is (life.paused is not None)
        xs = None if life.paused is not None else life.xs
        return Taken(snapshot, life.keeps, life.waits, xs, copy.deepcopy(life.paused))

    # --- runs ---

    @rule(life=boxes, name=st.sampled_from(sorted(PROGRAMS)), hears=st.booleans())
    def run(self, life: Life, name: str, hears: bool) -> None:
        program = PROGRAMS[name]
        if program.waits and not life.waits:
            program = PROGRAMS["value"]
        number, heard = next(self.numbers), []
        on_output = (lambda event: heard.append(event.text)) if hears else None

        def run() -> Any:
            return life.box.run(HEAD + program.code, inputs={"n": number}, on_output=on_output)

        refusal = life.refusal_of_run()
        if refusal is not None:
            with refused(refusal):
                run()
            self.note_refusal(life, refusal)
            return
        xs = [*(life.xs or []), number]
        if program.raises is None:
            result = run()
            self.check_result(program, result, number, xs)
            assert not hears or "".join(heard) == result.stdout
            life.lose() if program.loses_state else life.end_run(xs)
            return
        with pytest.raises(program.raises) as raised:
            run()
        self.check_error(program, raised.value, number)
        life.is_closed = program.raises is hypercell.SandboxClosedError
        life.lose()

    def note_refusal(self, life: Life, refusal: type[BaseException]) -> None:
        """Notes that whoever hears of a run that was cancelled ends it."""
        if refusal is hypercell.RunCancelledError:
            life.lose()

    def check_result(self, program: Program, result: Any, number: int, xs: list[int]) -> None:
        assert (result.error.type if result.error else None) == program.error, result
        assert result.exit_code == program.exit_code
        assert result.value == (xs if program.value is OWN_LIST else program.value)
        assert result.pending is None
        assert result.stdout.startswith(f"ran {number}\n")
        assert result.usage.output_bytes == len(result.stdout) + len(result.stderr) <= MAX_OUTPUT
        assert result.usage.tool_calls == program.tool_calls

    def check_error(self, program: Program, error: Any, number: int) -> None:
        assert type(error) is program.raises, repr(error)
        assert {name: getattr(error, name) for name in program.attributes} == program.attributes
        if program.raises in (Stop, hypercell.SandboxClosedError):
            return
        assert error.result.stdout.startswith(f"ran {number}\n")
        assert len(error.result.stdout) <= MAX_OUTPUT
        assert error.result.usage.tool_calls == program.tool_calls

    @rule(life=boxes, kind=st.sampled_from(["no text", "NUL", "too long", "input", "name"]))
    def run_what_cannot_be(self, life: Life, kind: str) -> None:
        code: Any = {"no text": b"1", "NUL": "1\0", "too long": " " * 5000}.get(kind, "1")
        inputs: Any = {"input": {"a": object()}, "name": {"1": 1}}.get(kind)
        refusal: Any = hypercell.CodeTypeError if kind == "no text" else hypercell.PolicyError
        if kind == "input":
            # Inputs are looked at before the VM is.
            refusal = life.refusal() or hypercell.ValueNotSendableError
        with refused(refusal):
            life.box.run(code, inputs=inputs)

    @rule(life=boxes)
    def run_with_a_listener_that_raises(self, life: Life) -> None:
        if life.refusal_of_run() is not None:
            return

        def listen(event: Any) -> None:
            raise Stop

        with pytest.raises(Stop):
            life.box.run("print(1, flush=True)", on_output=listen)
        life.lose()

    @rule(life=boxes, calls=st.integers(1, 2))
    def run_to_a_pause(self, life: Life, calls: int) -> None:
        number = next(self.numbers)
        code = f"{HEAD}got = [ask(n=i) for i in range({calls})]\nprint('on', flush=True)\n[list(xs), got]"
        refusal = life.refusal_of_run()
        with refused(refusal):
            result = life.box.run(code, inputs={"n": number})
        if refusal is not None:
            self.note_refusal(life, refusal)
            return
        life.paused = Paused(number, [*(life.xs or []), number], calls)
        self.check_pause(life, result)

    def check_pause(self, life: Life, result: Any) -> None:
        paused = life.paused
        assert paused is not None
        expected = hypercell.PendingCall("ask", {"n": len(paused.got)}, HEAD.count("\n") + 1)
        assert result.pending == life.box.pending == expected
        assert (result.value, result.error) == (None, None)
        assert result.stdout == f"ran {paused.number}\n"
        assert result.usage.tool_calls == len(paused.got) + 1

    @rule(life=boxes, answer=st.sampled_from(["value", "error", "arguments", "wrong arguments"]))
    def resume(self, life: Life, answer: str) -> None:
        number = next(self.numbers)
        replies: dict[str, Any] = {
            "error": {"error": PermissionError("no")},
            "arguments": {"arguments": {"n": number}},
            "wrong arguments": {"arguments": {"none": 1}},
        }

        def resume() -> Any:
            return life.box.resume(number) if answer == "value" else life.box.resume(**replies[answer])

        refusal, paused = life.refusal_of_resume(), life.paused
        if refusal is None and paused is not None and paused.is_cancelled:
            with refused(hypercell.RunCancelledError):
                resume()
            life.lose()
            return
        with refused(refusal):
            result = resume()
        if refusal is None and paused is not None:
            has_failed = answer in ("error", "wrong arguments")
            paused.got.append(number * 10 if answer == "arguments" else number)
            self.check_resumed(life, paused, result, has_failed)

    def check_resumed(self, life: Life, paused: Paused, result: Any, has_failed: bool) -> None:
        if not has_failed and len(paused.got) < paused.calls:
            self.check_pause(life, result)
            return
        if has_failed:
            assert result.error.type in ("ToolError", "TypeError"), result.error
            assert result.stdout == f"ran {paused.number}\n"
        else:
            assert result.error is None, result.error
            assert result.value == [paused.xs, paused.got]
            assert result.stdout == f"ran {paused.number}\non\n"
        assert result.usage.tool_calls == len(paused.got)
        life.end_run(paused.xs)

    @rule(life=boxes, kind=st.sampled_from(["nothing", "two", "value"]))
    def resume_with_what_cannot_be(self, life: Life, kind: str) -> None:
        refusal: Any = hypercell.PolicyError
        if kind == "value":
            refusal = life.refusal_of_resume() or hypercell.ValueNotSendableError
            if life.paused is not None and life.paused.is_cancelled:
                return
        with refused(refusal):
            if kind == "nothing":
                life.box.resume()
            elif kind == "two":
                life.box.resume(1, error=ValueError())
            else:
                life.box.resume(object())

    # --- from outside ---

    @rule(life=boxes)
    def cancel(self, life: Life) -> None:
        is_paused = life.paused is not None and not life.is_closed
        assert life.box.cancel() is is_paused
        if is_paused and life.paused is not None:
            life.paused.is_cancelled = True

    @rule(life=boxes, ends=st.sampled_from(["cancel", "close"]), waits_in=st.sampled_from(["loop", "tool"]))
    def stop_from_another_thread(self, life: Life, ends: str, waits_in: str) -> None:
        if life.refusal_of_run() is not None or life.paused is not None:
            return
        self.has_begun.clear()
        raised: list[Any] = []
        code = "begin()\nwhile True: pass" if waits_in == "loop" else "begin()\nhang()"

        def run() -> None:
            try:
                life.box.run(code)
            except hypercell.HypercellError as error:
                raised.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        assert self.has_begun.wait(LONG_S)
        uses = (lambda: life.box.run("1"), lambda: life.box.resume(1), life.box.reset, life.box.snapshot)
        assert [_raised(use) for use in uses] == [BUSY] * 4
        assert life.box.cancel() if ends == "cancel" else life.box.close() is None
        thread.join(LONG_S)
        kind = hypercell.RunCancelledError if ends == "cancel" else hypercell.SandboxClosedError
        assert [type(error) for error in raised] == [kind], raised
        life.is_closed = ends == "close"
        life.lose()

    @rule(life=boxes)
    def reset(self, life: Life) -> None:
        refusal = hypercell.SandboxClosedError if life.is_closed else None
        with refused(refusal):
            life.box.reset()
        if refusal is None:
            life.paused, life.is_lost, life.xs = None, False, life.base

    @rule(life=boxes)
    def close(self, life: Life) -> None:
        life.box.close()
        life.is_closed, life.paused = True, None

    # --- what holds at any time ---

    @invariant()
    def states_agree(self) -> None:
        for life in self.lives:
            assert life.box.closed is life.is_closed
            assert (life.box.pending is not None) is (life.paused is not None)

    def teardown(self) -> None:
        self.release.set()
        self.directory.cleanup()
        try:
            for life in self.lives:
                self.end(life)
        finally:
            for life in self.lives:
                life.box.close()

    def end(self, life: Life) -> None:
        """Expects a sandbox that was reset to be as at its beginning, and one that was closed to be closed."""
        if not life.is_closed:
            life.box.reset()
            with refused(hypercell.PolicyError if life.base is None else None):
                assert life.box.run(f"{HEAD}xs", inputs={"n": 0}).value == [*(life.base or []), 0]
        life.box.close()
        for use in (lambda: life.box.run("1"), lambda: life.box.resume(1), life.box.reset, life.box.snapshot):
            assert _raised(use) == "SandboxClosedError"
        assert not life.box.cancel()


def limits(waits: bool) -> Limits:
    return Limits(
        wall_time_s=SHORT_S if waits else LONG_S,
        guest_time_s=GUEST_TIME_S,
        tool_calls=MAX_CALLS,
        output_bytes=MAX_OUTPUT,
        code_bytes=4096,
    )


def _raised(use: Callable[[], object]) -> str:
    try:
        use()
    except hypercell.HypercellError as error:
        return type(error).__name__
    return "nothing"


@pytest.mark.timeout(14_400 if IS_NIGHTLY else 300)
@pytest.mark.usefixtures("hypercell_with_image")
def test_sandboxes_and_snapshots_live_as_the_model_says():
    run_state_machine_as_test(
        Lives,
        settings=settings(
            max_examples=3000 if IS_NIGHTLY else 25,
            stateful_step_count=50 if IS_NIGHTLY else 20,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
