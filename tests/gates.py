"""What a guest can ask of its host, and which tests say that they try it: for `security/test_every_gate.py`.

A test says so by `@pytest.mark.gate("file.open", ..., aspect="at_limit")`, a test in Rust by a line
`// gate: file.open ..., at_limit`, where `every request` stands for all of them. As a plugin of pytest, this module
prints what the tests that were collected say.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ASPECTS = ("allowed", "denied_by_default", "denied_by_rule", "at_limit", "hostile_bytes")
# Frames of a guest that ask for nothing.
NO_REQUESTS = {
    "Ready": "says that the program waits",
    "Warmed": "answers the host, while an image is built",
    "Reseeded": "answers the host",
    "Abort": "says that the VM is dead",
    "Checkpointed": "answers the host",
    "Exited": "says that the program is over",
}
_OF_HANDLES = "a handle comes from an open that was decided, and has no rule of its own"
_OF_EXCHANGES = "an exchange comes from an HttpSend that was decided, and has no rule of its own"
_EVERY_RUN = "every run may, up to a limit"
# Aspects that a request cannot have, and why.
WITHOUT_MEANING = {
    **{(name, "denied_by_default"): _EVERY_RUN for name in ("Output", "RunDone", "Sleep", "file.artifact")},
    **{
        (name, "denied_by_rule"): "no rule speaks of it, only limits"
        for name in ("Output", "RunDone", "Sleep", "Syscall", "file.artifact")
    },
    **{(name, "denied_by_rule"): _OF_EXCHANGES for name in ("HttpPart", "HttpRead", "HttpClose")},
    ("HttpClose", "at_limit"): "gives up what is limited",
    **{
        (f"file.{name}", "denied_by_rule"): _OF_HANDLES for name in ("fstat", "read", "sync", "list", "close")
    },
    **{
        (f"file.{name}", "at_limit"): "takes nothing but a handle, and open_files limits those"
        for name in ("fstat", "sync", "close")
    },
    ("file.mounts", "denied_by_rule"): "lists what was granted, and nothing else",
}
_HEADING = re.compile(r"^### (\w+) \(0x(?:01\w\w)\)$", re.MULTILINE)
_OPERATIONS = re.compile(r"^\| `op` \| Keys.*?\n\| ---.*?\n((?:\|.*\n)+)", re.MULTILINE)
_IN_RUST = re.compile(r"^\s*// gate: (.+), (\w+)$", re.MULTILINE)


def requests() -> set[str]:
    """Returns each kind of request, as `docs/abi.md` has it, which tests of the crates compare with the code."""
    page = (ROOT / "docs/abi.md").read_text(encoding="utf-8")
    kinds = set(_HEADING.findall(page)) - {"FileRequest"} - set(NO_REQUESTS)
    table = _OPERATIONS.search(page)
    assert table is not None
    cells = [row.split("|")[1] for row in table.group(1).splitlines()]
    return kinds | {f"file.{name.strip()}" for cell in cells for name in cell.split(",")}


def claims_in_rust() -> set[tuple[str, str]]:
    """Returns which request and aspect tests of the crate `host` say that they try."""
    claims: set[tuple[str, str]] = set()
    for path in sorted((ROOT / "crates/host").rglob("*.rs")):
        for names, aspect in _IN_RUST.findall(path.read_text(encoding="utf-8")):
            found: Iterable[str] = requests() if names == "every request" else names.split()
            claims |= {(name, aspect) for name in found}
    return claims


def pytest_collection_finish(session: pytest.Session) -> None:
    for item in session.items:
        for mark in item.iter_markers("gate"):
            for name in mark.args:
                print("gate", name, mark.kwargs["aspect"])
