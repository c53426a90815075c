"""Audit events as values, and what becomes of them without a VM."""

import datetime
import inspect
import io
import json
import typing

import pytest

import hypercell
from hypercell import _audit

KINDS = typing.get_args(_audit.AuditKind)
NOON = datetime.datetime(2030, 1, 2, 12, tzinfo=datetime.timezone.utc)


def event_of(kind, **details):
    return hypercell.AuditEvent(event=kind, sandbox="0" * 16, run=1, time=NOON, **details)


def test_every_kind_and_every_attribute_is_described():
    described = inspect.getdoc(hypercell.AuditEvent)
    assert [kind for kind in KINDS if kind != "unknown" and f"`{kind}`" not in described] == []
    attributes = described.partition("Attributes:")[2]
    assert [name for name in _audit._NAMES if f"    {name}: " not in attributes] == []


def test_decisions_are_what_was_allowed_or_denied_and_limits_that_were_reached():
    decisions = {kind: event_of(kind).decision for kind in KINDS}
    assert {kind for kind, decision in decisions.items() if decision == "deny"} == {
        "tool_denied",
        "http_denied",
        "file_denied",
        "limit_reached",
    }
    assert {kind for kind, decision in decisions.items() if decision == "allow"} == {
        "tool_allowed",
        "output_allowed",
        "http_allowed",
        "file_allowed",
        "artifact_allowed",
    }


def test_false_and_zero_are_written_but_none_is_not():
    file = io.StringIO()
    hypercell.audit_to_file(file)(event_of("tool_answered", call=1, ok=False, answer_bytes=0))
    assert file.getvalue() == (
        '{"event": "tool_answered", "sandbox": "0000000000000000", "run": 1, '
        '"time": "2030-01-02T12:00:00.000000+00:00", "call": 1, "ok": false, "answer_bytes": 0}\n'
    )


def test_path_that_is_no_text_survives_the_file(tmp_path):
    write = hypercell.audit_to_file(tmp_path / "audit.jsonl")
    write(event_of("file_allowed", operation="open", mount="/in", path="\udcff\u2028"))
    (line,) = (tmp_path / "audit.jsonl").read_text(encoding="ascii").splitlines()
    assert json.loads(line)["path"] == "\udcff\u2028"


def test_file_that_cannot_be_opened_is_said_at_once(tmp_path):
    with pytest.raises(FileNotFoundError):
        hypercell.audit_to_file(tmp_path / "missing" / "audit.jsonl")
