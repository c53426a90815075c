"""What a model is told: which tools, files and domains there are, how to use them, and how results come back.

Before: `_execute`. After: `_signatures`.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from .._errors import PolicyError
from .._limits import MIB, Limits
from ._grants import Grants
from ._signatures import definitions_of, descriptions_of, signature_of
from ._tools import CodeActTool

Form: TypeAlias = Literal["short", "long"]

_SENTENCE = re.compile(r"^.*?[.!?](?=\s|$)", re.DOTALL)
_LONG_HEAD = """\
Runs Python in a fresh, isolated sandbox with the standard library. Nothing is kept from one call to the next.

What comes back: everything printed, and the value of the last expression (or of the variable `result`). An exception
comes back as a traceback with your line numbers. Do the whole job in one call where you can, with loops and conditions,
and return what is needed to answer, not raw data."""
_SHORT_HEAD = """\
execute_code runs Python in a fresh sandbox. Do the whole job in one call. What is printed and the value of the last
expression come back."""
_LONG_CALLS = """\
Tools, as functions of the code. Give arguments by name, as in call_tool("name", key=value) or name(key=value). Several
at once: await asyncio.gather(call_tool_async("name", key=value), ...). A tool that fails or is refused raises
ToolError."""
_SHORT_CALLS = 'Tools: call_tool("name", key=value) or name(key=value). Failures raise ToolError.'


def instructions_of(grants: Grants, limits: Limits, form: Form, *, tools_visible_to_model: bool) -> str:
    """Returns what a model has to know to use `execute_code` with these grants.

    Raises:
        PolicyError: There is no such form.
    """
    if form not in ("short", "long"):
        raise PolicyError(f"form must be 'short' or 'long', got {form!r}")
    is_long = form == "long"
    parts = [_LONG_HEAD if is_long else _SHORT_HEAD]
    if grants.tools:
        parts.append(_tools(list(grants.tools.values()), is_long=is_long))
        if tools_visible_to_model:
            parts.append("Use execute_code rather than calling these tools one by one.")
    parts += [_files(grants, is_long=is_long), _network(grants, is_long=is_long)]
    parts.append(_limits(limits, is_long=is_long))
    return ("\n\n" if is_long else "\n").join(parts)


def _tools(tools: list[CodeActTool], *, is_long: bool) -> str:
    lines = [_LONG_CALLS if is_long else _SHORT_CALLS]
    types: dict[str, str] = {}
    for tool in tools:
        types.update(definitions_of(tool))
        description = tool.description if is_long else _first_sentence(tool.description)
        asked = " [asks for approval]" if tool.approval == "ask" else ""
        lines.append(f"- {signature_of(tool)}{asked}" + (f": {description}" if description else ""))
        if is_long:
            lines += [f"    {name}: {meaning}" for name, meaning in descriptions_of(tool).items()]
    lines += [f"  where {name} is {meaning}" for name, meaning in types.items()]
    return "\n".join(lines)


def _files(grants: Grants, *, is_long: bool) -> str:
    modes = {"ro": "read-only", "rw": "read and write"}
    output = (
        "Files written to /output are attached to the result." if is_long else "Results as files: /output."
    )
    if not grants.mounts:
        return f"Files: none of the host. {output}"
    places = [f"{place} ({modes[mount.mode]})" for place, mount in grants.mounts.items()]
    return f"Files: {', '.join(places)}. {output}"


def _network(grants: Grants, *, is_long: bool) -> str:
    if not grants.domains:
        return "Network: none."
    rules = [
        f"{pattern} ({', '.join(domain.methods) if domain.methods is not None else 'all methods'})"
        for pattern, domain in grants.domains.items()
    ]
    how = " with urllib.request" if is_long else ""
    return f"Network: HTTP{how} to {', '.join(rules)}; nothing else."


def _limits(limits: Limits, *, is_long: bool) -> str:
    time = "no limit of time" if limits.wall_time_s is None else f"{limits.wall_time_s:g} s"
    text = f"Limits: {time}, {limits.memory_bytes // MIB} MiB memory"
    if is_long:
        text += f", {limits.tool_calls} tool calls, {_bytes(limits.output_bytes)} of output"
    return f"{text}."


def _bytes(count: int) -> str:
    return f"{count // MIB} MiB" if count >= MIB else f"{count} bytes"


def _first_sentence(text: str) -> str:
    match = _SENTENCE.match(text)
    return match[0] if match else text
