"""What type checkers see: this file is executed, and checked by mypy in strict mode."""

from __future__ import annotations

import dataclasses
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import hypercell

if TYPE_CHECKING:
    from typing_extensions import assert_type
else:

    def assert_type(value, kind):
        return value


def add(a: int, b: int = 1) -> int:
    """Adds two numbers."""
    return a + b


async def fetch(key: str) -> str:
    """Fetches a row."""
    return key


def heard(event: hypercell.AuditEvent) -> None:
    """Hears of a decision."""
    assert_type(event.run, int)
    assert_type(event.reason, "str | None")
    assert_type(event.to_dict(), "dict[str, Any]")


def looked_at(request: hypercell.ToolRequest) -> dict[str, Any] | None:
    """Looks at a tool call."""
    assert_type(request.tool, str)
    return assert_type(request.arguments, "dict[str, Any]") or None


def asked_first(request: hypercell.HttpRequest) -> hypercell.HttpRequest | None:
    """Looks at a request of HTTP."""
    assert_type(request.headers, "tuple[tuple[str, str], ...]")
    return dataclasses.replace(request, url=assert_type(request.url, str))


def opened_instead(request: hypercell.FileRequest) -> hypercell.FileRequest | None:
    """Looks at the opening of a file."""
    assert_type(request.truncate, bool)
    return dataclasses.replace(request, path=assert_type(request.path, str))


def uses_of_a_sandbox(box: hypercell.Sandbox) -> None:
    """Not executed: it needs a VM."""
    with box as same:
        assert_type(same, hypercell.Sandbox)
    result = assert_type(box.run("1", inputs={"a": 1}, filename="f.py"), hypercell.RunResult)
    assert_type(result.value, Any)
    assert_type(result.stdout, str)
    assert_type(result.error, "hypercell.GuestError | None")
    assert_type(result.exit_code, "int | None")
    assert_type(result.usage.wall_time_s, float)
    assert_type(result.unsupported_syscalls, "dict[str, int]")
    assert_type(box.cancel(), bool)
    box.run(b"1")  # type: ignore[arg-type]
    hypercell.Sandbox([add, fetch], on_audit=heard, limits=hypercell.Limits())
    hypercell.Sandbox(on_audit=hypercell.audit_to_logging(), before_tool_call=looked_at)
    hypercell.Sandbox(on_audit=hypercell.audit_to_file("audit.jsonl"))
    hypercell.Sandbox(on_audit=hypercell.audit_to_file(sys.stderr))
    hypercell.Sandbox(before_tool_call=heard)  # type: ignore[arg-type]
    hypercell.Sandbox(before_http_request=asked_first, before_file_open=opened_instead)
    hypercell.AsyncSandbox(before_http_request=asked_first, before_file_open=opened_instead)
    hypercell.Sandbox(before_http_request=opened_instead)  # type: ignore[arg-type]
    hypercell.Sandbox({"fetch": fetch}, keep_state=True)
    hypercell.Sandbox({"add": hypercell.Tool(add)})
    hypercell.Sandbox(limits={"wall_time_s": 5})  # type: ignore[arg-type]


def test_values_have_the_types_that_checkers_see() -> None:
    limits = hypercell.Limits(wall_time_s=None)
    assert assert_type(limits.wall_time_s, "float | None") is None
    assert isinstance(assert_type(limits.memory_bytes, int), int)
    tool = hypercell.Tool(add)
    assert isinstance(assert_type(tool.name, str), str)
    assert isinstance(assert_type(tool.description, str), str)
    assert isinstance(assert_type(tool.schema, "dict[str, Any]"), dict)
    function: Callable[..., Any] = tool.function
    assert function is add
    error = hypercell.TimeLimitError("too long", limit="wall_time_s", used=2.0, maximum=1.0, unit="s")
    assert assert_type(error.tool, "str | None") is None
    assert assert_type(error.result, "hypercell.RunResult | None") is None
    assert isinstance(assert_type(hypercell.__version__, str), str)


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_mypy_in_strict_mode_agrees(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}", __file__],
        capture_output=True,
        text=True,
        timeout=110,
        cwd=tmp_path,
    )
    assert (done.stdout, done.stderr) == ("Success: no issues found in 1 source file\n", "")
