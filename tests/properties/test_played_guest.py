"""The whole host against a guest that is played: made-up turns, kernel and program in one, and no VM.

`HYPERCELL_TEST_HYPOTHESIS=nightly` tries 100,000 examples a test in place of 200.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("cffi", reason="hypercell[testing] is not installed")

import contextlib

import hypercell
from hypercell import _native, testing

IS_NIGHTLY = os.environ.get("HYPERCELL_TEST_HYPOTHESIS") == "nightly"
# Making a sandbox looks whether the machine has a hypervisor, though these use none.
pytestmark = [pytest.mark.vm, pytest.mark.timeout(7200 if IS_NIGHTLY else 240)]
attack = settings(
    max_examples=100_000 if IS_NIGHTLY else 200,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
ENTER_BYTES, FRAME_BYTES, FILE_REPLY = 64, 16, 0x90
OUTPUT, TOOL_CALL, RUN_DONE, TOOL_WAIT = 0x102, 0x103, 0x104, 0x106
HTTP_SEND, HTTP_PART, HTTP_READ, HTTP_CLOSE = range(0x120, 0x124)
SLEEP, ABORT, EXITED, SYSCALL, FILE = 0x181, 0x182, 0x184, 0x185, 0x190
TOOLS = ("add", "nothing")
SECRET = "host-secret-51c0de"
LIMITS = hypercell.Limits(
    wall_time_s=1,
    output_bytes=2000,
    tool_calls=5,
    http_requests=3,
    open_files=3,
    file_count=4,
    file_write_bytes=4000,
)
ENDINGS = (hypercell.ProtocolError, hypercell.LimitError, hypercell.GuestCrashError, hypercell.OutputDirError)
numbers = st.integers(0, 8) | st.integers(0, 2**64 - 1)
names = st.sampled_from((*TOOLS, "secret", "", "add\0"))
small = testing.values(max_leaves=3)
paths = testing.guest_paths() | st.sampled_from(
    (b"a", b"d/a", b"../secret", b"link", b"d/../../secret", b"/etc/passwd")
)
calls = st.fixed_dictionaries(
    {
        "id": numbers,
        "name": names,
        "args": st.dictionaries(names, small, max_size=2),
        "line": st.none() | numbers,
    }
)


def maps(**keys: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(keys)


times = st.none() | st.integers(0, 1000)
http = maps(
    id=numbers,
    method=st.sampled_from(("GET", "POST", "CONNECT", "", "get ")),
    url=testing.urls() | st.just("http://127.0.0.1:1/"),
    headers=st.lists(
        st.tuples(st.sampled_from(("host", "x", "content-length", "")), st.binary(max_size=9)).map(list)
    ),
    body=st.binary(max_size=20),
    more=st.booleans(),
    redirects=st.integers(0, 3),
    timeout=times,
)
place = maps(mount=st.integers(0, 2), path=paths)
handle = maps(handle=st.integers(0, 4) | numbers)


def operation(
    op: str, base: st.SearchStrategy[dict[str, Any]], **keys: Any
) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(base, maps(op=st.just(op), **keys)).map(lambda two: two[0] | two[1])


data, offset = st.binary(max_size=2000), st.integers(0, 3000) | numbers
files = st.one_of(
    operation("mounts", maps()),
    operation("stat", place, follow=st.booleans()),
    operation("open", place, flags=st.integers(0, 127), mode=numbers),
    operation("fstat", handle),
    operation("read", handle, offset=offset, len=offset, need=offset),
    operation("write", handle, offset=offset, data=data),
    operation("truncate", handle, len=offset),
    *(operation(op, handle) for op in ("sync", "close", "list")),
    *(operation(op, place, mode=numbers) for op in ("mkdir", "chmod")),
    *(operation(op, place) for op in ("unlink", "rmdir", "readlink")),
    operation("rename", place, to=paths),
    operation("utime", place, accessed=st.integers(-(2**63), 2**63 - 1)),
    operation("artifact", maps(path=paths, offset=st.just(0) | offset, data=data)),
)
# What each kind holds when it is right, or nearly: the decoder is not what these are for.
BODIES: dict[int, st.SearchStrategy[Any]] = {
    OUTPUT: maps(fd=st.integers(1, 2), data=st.binary(max_size=900)),
    TOOL_CALL: calls,
    RUN_DONE: maps(value=small),
    TOOL_WAIT: maps(calls=st.lists(calls, max_size=3), cancel=st.lists(numbers, max_size=2), timeout=times),
    HTTP_SEND: http,
    HTTP_PART: maps(id=numbers, body=st.binary(max_size=9), more=st.booleans()),
    HTTP_READ: maps(id=numbers, max=numbers, timeout=times),
    HTTP_CLOSE: maps(id=numbers),
    SLEEP: maps(ns=st.integers(0, 1000)),
    SYSCALL: maps(
        tid=numbers,
        nr=numbers,
        args=st.lists(numbers | st.binary(max_size=256), max_size=6),
        result=st.none() | st.integers(-(2**63), 2**63 - 1),
        began=numbers,
        took=numbers,
    ),
    FILE: files,
    ABORT: maps(reason=st.text(max_size=9) | st.just("out of memory"), report=st.text(max_size=9)),
    EXITED: maps(status=st.integers(0, 255), signal=st.integers(0, 64), report=st.text(max_size=9)),
}
right = st.one_of(*(st.tuples(st.just(kind), body) for kind, body in BODIES.items()))
frames = right | right | right | st.tuples(st.sampled_from(list(BODIES)), st.binary(max_size=30))
# A turn is a frame with the right number most of the time, or any bytes.
moves = st.lists(st.tuples(frames, st.sampled_from((0, 0, 0, 0, 0, 1))) | testing.turns(seq=1), max_size=12)


class Script:
    """Plays one turn after the other, then ends the run with 7.

    Handles of files are never given twice, so a small one in a move counts back from the last that the host gave.
    """

    def __init__(self, moves: list[Any]) -> None:
        self.moves = iter(moves)
        self.last_handle = 0

    def __call__(self, turn: bytes) -> bytes:
        number = testing.turn_number(turn)
        self.last_handle = _handle_in(turn) or self.last_handle
        move = next(self.moves, (END, 0))
        if isinstance(move, bytes):
            return move
        (kind, body), late = move
        if isinstance(body, dict):
            if body.get("handle", 9) < 5:
                body = body | {"handle": max(self.last_handle - body["handle"], 0)}
            body = _native.encode_value(body)
        return testing.turn_of(testing.frame_of(kind, body, seq=number + late))


END = (RUN_DONE, {"value": 7})


def _handle_in(turn: bytes) -> int:
    frame = turn[ENTER_BYTES:]
    if int.from_bytes(frame[6:8], "little") != FILE_REPLY:
        return 0
    return int(_native.decode_value(frame[FRAME_BYTES:]).get("handle", 0))


class Host:
    """A sandbox with a bit of everything, the directory that it mounts, and one beside that it does not."""

    def __init__(self, folder: Path) -> None:
        self.script = Script([])
        self.guest = testing.RawGuest(play=self._play)
        self.mount, self.secret = folder / "mount", folder / "secret"
        self.mount.mkdir()
        self.secret.write_text(SECRET)
        self.called: list[str] = []
        self.said: list[bytes] = []
        self.events: list[hypercell.AuditEvent] = []
        self.traced: list[str] = []
        self.box = self.guest.sandbox(
            tools={
                "add": lambda **_: self.called.append("add"),
                "nothing": lambda: self.called.append("nothing"),
            },
            mounts=[
                hypercell.Mount(self.mount, "/data", mode="rw"),
                hypercell.Mount(folder / "mount", "/ro"),
            ],
            domains=["https://example.invalid/prefix"],
            limits=LIMITS,
            on_audit=self.events.append,
            trace_syscalls=lambda call: self.traced.append(str(call)),
        )

    def _play(self, turn: bytes) -> bytes:
        self.said.append(turn)
        return self.script(turn)

    def reset(self, script: list[Any]) -> None:
        self.script = Script(script)
        for seen in (self.called, self.said, self.events, self.traced):
            seen.clear()
        # The mount is this directory, opened once: it is emptied, not replaced.
        for path in sorted(self.mount.rglob("*"), reverse=True):
            if not path.is_symlink():
                path.chmod(0o700)
        for path in self.mount.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        (self.mount / "a").write_text("plain")
        (self.mount / "link").symlink_to(self.secret)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    made = Host(tmp_path_factory.mktemp("played"))
    yield made
    made.box.close()


@attack
@given(moves)
def test_guest_that_says_anything_gets_nothing_that_is_not_given(host: Host, script: list[Any]) -> None:
    host.reset(script)
    try:
        result = host.guest.attack(host.box)
    except ENDINGS:
        result = None
    allowed = [event.name for event in host.events if event.event == "tool_allowed"]
    assert set(allowed) <= set(TOOLS)
    assert len(host.called) <= len(allowed) <= LIMITS.tool_calls
    assert SECRET.encode() not in b"".join(host.said)
    assert host.secret.read_text() == SECRET
    assert (
        sum(path.stat().st_size for path in host.mount.rglob("*") if path.is_file() and not path.is_symlink())
        <= 4005
    )
    assert all(line.isascii() and line.isprintable() for line in host.traced)
    assert (host.events[0].event, host.events[-1].event) == ("run_started", "run_ended")
    if result is not None:
        assert len(result.stdout) + len(result.stderr) <= LIMITS.output_bytes
        assert result.usage.tool_calls <= LIMITS.tool_calls
    host.script = Script([])
    assert host.guest.attack(host.box).value == 7


@attack
@given(st.binary(max_size=300) | testing.mutations(testing.turns(seq=1)))
def test_turn_of_any_bytes_is_taken_or_refused(host: Host, turn: bytes) -> None:
    host.reset([turn])
    with contextlib.suppress(ENDINGS):
        host.guest.attack(host.box)
    host.script = Script([])
    assert host.guest.attack(host.box).value == 7


def test_moves_reach_every_gate(host: Host) -> None:
    """Otherwise the properties above would try decoders alone."""
    call = {"id": 1, "name": "add", "args": {"a": 1}, "line": None}
    http = {
        "id": 1,
        "method": "GET",
        "url": "https://evil.example/",
        "headers": [],
        "body": b"",
        "more": False,
    }
    http |= {"redirects": 0, "timeout": None}
    opened = {"op": "open", "mount": 0, "path": b"a", "flags": 1, "mode": 0}
    leak = opened | {"path": b"link"}
    read = {"op": "read", "handle": 0, "offset": 0, "len": 9, "need": 9}
    bodies = [(TOOL_CALL, call), (HTTP_SEND, http), (FILE, opened), (FILE, read), (FILE, leak)]
    bodies += [
        (OUTPUT, {"fd": 1, "data": b"hi"}),
        (FILE, {"op": "artifact", "path": b"x", "offset": 0, "data": b"y"}),
    ]
    host.reset([(move, 0) for move in bodies])
    result = host.guest.attack(host.box)
    assert (result.value, result.stdout, result.files["x"].data) == (7, "hi", b"y")
    assert host.called == ["add"]
    assert b"plain" in b"".join(host.said)
    seen = [event.event for event in host.events]
    assert seen == [
        "run_started",
        "tool_allowed",
        "tool_answered",
        "http_denied",
        "file_allowed",
        # Where the link leads is seen only as it is opened.
        "file_allowed",
        "file_denied",
        "output_allowed",
        "artifact_allowed",
        "run_ended",
    ]


def test_what_a_player_raises_is_raised() -> None:
    def play(turn: bytes) -> bytes:
        raise LookupError("lost")

    guest = testing.RawGuest(play=play)
    with guest.sandbox() as box:
        with pytest.raises(LookupError, match=r"^lost$"):
            guest.attack(box)
        with pytest.raises(hypercell.GuestCrashError):
            box.run("0")


def test_player_that_talks_for_ever_is_stopped_at_the_limit() -> None:
    def play(turn: bytes) -> bytes:
        sleep = _native.encode_value({"ns": 0})
        return testing.turn_of(testing.frame_of(SLEEP, sleep, seq=testing.turn_number(turn)))

    guest = testing.RawGuest(play=play)
    with (
        guest.sandbox(limits=hypercell.Limits(wall_time_s=0.3)) as box,
        pytest.raises(hypercell.TimeLimitError),
    ):
        guest.attack(box)
