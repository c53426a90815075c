"""Each program of tests/programs/escape_* sees what it must see, twice, and nothing of the host.

Evidence: each runs two times in the same sandbox, in real micro-VMs, so what the first run leaves behind would change
what the second one sees. Afterwards the sandbox works, nobody has reached the host's listener, the host's file is as
it was, and its content and a variable of the host's environment are in nothing that the run returned.
"""

import os
import socket

import pytest

import hypercell
from corpus import canonical
from corpus import load_all as load_corpus
from escapes import PREFIX, EscapeError, load, load_all

ESCAPES = load_all()
SECRET = "host-secret-3f9c1e7a5b"
HEAD = "# Tries nothing.\n"


@pytest.mark.parametrize("escape", ESCAPES, ids=lambda escape: escape.name.removeprefix(PREFIX))
def test_escape_program_sees_what_it_must_see(escape, make_sandbox, host):
    box = make_sandbox(tools={"add": add}, limits=hypercell.Limits(**escape.limits))
    inputs = {"host_file": str(host.file), "host_pid": os.getpid(), "host_port": host.port}
    for _ in range(2):
        seen, outcome = _run(box, escape, inputs)
        assert SECRET not in repr(seen)
        assert outcome == (escape.ends or escape.raises or canonical(escape.expected))
    assert box.run("[add(a=1, b=2), 6 * 7]").value == [3, 42]
    assert host.connections() == 0
    assert host.file.read_text() == SECRET


def test_traces_of_an_earlier_run_are_found_where_state_is_kept(make_sandbox):
    """Otherwise the program that looks for them would find nothing in any case."""
    source = next(escape.source for escape in ESCAPES if escape.name == "escape_state_between_runs")
    box = make_sandbox(keep_state=True)
    assert box.run(source).value == []
    assert {"file", "module", "builtin", "globals", "descriptor", "mapping"} <= set(box.run(source).value)


def test_there_are_at_least_sixty_escape_programs():
    assert len(ESCAPES) >= 60


def test_no_escape_program_is_run_natively():
    assert [program.name for program in load_corpus() if program.name.startswith(PREFIX)] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "1\n", "needs exactly one of EXPECTED, RAISES, ENDS"),
        (HEAD + 'EXPECTED = 1\nENDS = "GuestCrashError"\n1\n', "needs exactly one of EXPECTED, RAISES, ENDS"),
        (HEAD + "EXPECTED = None\n", "EXPECTED is None, which a program that does nothing also gives"),
        (HEAD + "EXPECTED = len('')\n1\n", "EXPECTED is not a literal"),
        (HEAD + "EXPECTED = 1\nEXPECTED = 2\n1\n", "EXPECTED is there twice"),
        ("EXPECTED = 1\n1\n", "not a Python file that begins with a comment"),
    ],
)
def test_escape_program_that_cannot_fail_is_refused(tmp_path, text, message):
    path = tmp_path / "escape_idle.py"
    path.write_text(text)
    with pytest.raises(EscapeError) as caught:
        load_all(tmp_path)
    assert str(caught.value) == f"escape_idle.py: {message}"


def test_escape_program_is_not_told_what_it_must_see(tmp_path):
    path = tmp_path / "escape_cheat.py"
    path.write_text(HEAD + 'EXPECTED = {\n    "a": "secret expectation",\n}\nEXPECTED\n')
    escape = load(path)
    assert escape.expected == {"a": "secret expectation"}
    assert "secret expectation" not in escape.source


def add(a: int, b: int) -> int:
    """The one tool that the programs are given."""
    return a + b


def _run(box, escape, inputs):
    """Returns all that the run gave back, and its value in canonical form or the error that ended it."""
    try:
        result = box.run(escape.source, inputs=inputs)
    except hypercell.HypercellError as error:
        return (str(error), getattr(error, "result", None)), type(error).__name__
    if result.error is not None:
        return result, f"{result.error.type}: {result.error.message}"
    return result, canonical(result.value)


class Host:
    """What of the host the programs are told: a file with a secret, and a listener that nobody may reach."""

    def __init__(self, folder):
        self.file = folder / "secret"
        self.file.write_text(SECRET)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.setblocking(False)
        self.port = self.server.getsockname()[1]

    def connections(self):
        count = 0
        while True:
            try:
                connection, _ = self.server.accept()
            except BlockingIOError:
                return count
            connection.close()
            count += 1


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setenv("HYPERCELL_TEST_SECRET", SECRET)
    host = Host(tmp_path)
    yield host
    host.server.close()
