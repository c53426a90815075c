"""What the caller has a sandbox call: who hears of events, and who may edit or deny a tool call.

Guarantees: no tool runs unless `before_tool_call`, if there is one, returned for this very call. Never: tells the
guest why a broken hook failed.

Before: `_sandbox`, `_calls`. After: the caller's functions, `_audit`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ._audit import AuditKind, AuditLog, OnAudit
from ._errors import DeniedError
from ._image import native
from ._tools import Tool


@dataclass(frozen=True)
class ToolRequest:
    """A tool call that the guest asks for and the sandbox allows, before it is made.

    Attributes:
        tool: Name of the tool.
        arguments: Its arguments by name, as the submitted code gave them. They fit the tool's signature; those left to
            their defaults are missing. A copy: changes count only if the hook returns it.
    """

    tool: str
    arguments: dict[str, Any]


BeforeToolCall = Callable[[ToolRequest], "Mapping[str, Any] | None"]


class Hooks:
    """The functions that the caller gave a sandbox: who hears of events, and who looks at tool calls."""

    def __init__(self, on_audit: OnAudit | None, before_tool_call: BeforeToolCall | None) -> None:
        #: What hears of the events of the native module, or None.
        self.log = AuditLog(on_audit) if on_audit is not None else None
        self._before_tool_call = before_tool_call

    def bind(self, tool: Tool, call_id: int, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what to call the function of a tool with. `arguments` are guest-controlled.

        Raises:
            ArgumentError: They do not fit the tool.
            DeniedError: The hook denied the call.
            HookFailedError: The hook failed, so nobody allowed the call.
        """
        if self._before_tool_call is None:
            return tool.bind(arguments)
        given = tool.by_name(arguments)
        # First, so that a hook need not expect what does not fit the signature.
        bound = tool.bind(given)
        try:
            edited = self._before_tool_call(ToolRequest(tool.name, copy.deepcopy(given)))
            if edited is not None and not isinstance(edited, Mapping):
                raise TypeError(
                    f"before_tool_call must return a mapping or None, got {type(edited).__name__}"
                )
            encoded = None if edited is None else native().encode_value(dict(edited))
        except DeniedError as denied:
            self.record("tool_denied", call=call_id, name=tool.name, reason=str(denied))
            raise
        except BaseException as error:
            self.record("tool_denied", call=call_id, name=tool.name, reason="before_tool_call failed")
            raise HookFailedError(error) from None
        if edited is None or encoded is None:
            return bound
        # Imported where it is needed: it takes longer than most of this package.
        import hashlib

        self.record(
            "tool_rewritten",
            call=call_id,
            name=tool.name,
            argument_bytes=len(encoded),
            arguments_digest=hashlib.sha256(encoded).hexdigest(),
        )
        return tool.bind(edited)

    def record(self, event: AuditKind, **details: Any) -> None:
        """Delivers an event, if somebody listens."""
        if self.log is not None:
            self.log.record(event, **details)


class HookFailedError(Exception):
    """A hook raised what is no decision. `cause` must be raised to whoever called `run`."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause
