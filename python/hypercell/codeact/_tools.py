"""Tools of a CodeAct block: tools of a sandbox, each with what must be asked before a call, and what it returns.

Before: `_grants`. After: `hypercell._tools`.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias

from .._errors import PolicyError
from .._schema import Compiler, UnsupportedTypeError
from .._tools import Tool

__all__ = ["APPROVALS", "CodeActTool", "ToolApproval", "ToolsInput", "collect_codeact_tools"]

ToolApproval: TypeAlias = Literal["never_require", "always_require", "ask"]
APPROVALS: tuple[ToolApproval, ...] = ("never_require", "always_require", "ask")

_Function: TypeAlias = Callable[..., Any]
#: What `tools=` takes.
ToolsInput: TypeAlias = "_Function | Tool | Iterable[_Function | Tool] | Mapping[str, _Function | Tool]"


class CodeActTool(Tool):
    """A tool, with what must be asked before it is called.

    Args:
        function: As for `hypercell.Tool`.
        name: As for `hypercell.Tool`.
        description: As for `hypercell.Tool`.
        schema: As for `hypercell.Tool`.
        returns: JSON schema of what it returns, for the instructions. Not given: made from the annotation, if that
            says.
        approval: `"never_require"`; `"always_require"`, which has the whole block approved before it starts; or
            `"ask"`, which pauses the running block at each call until somebody decides.

    Attributes:
        returns: As given, or None where nobody knows.
        approval: As given.

    Raises:
        PolicyError: As for `hypercell.Tool`, or `approval` is none of the three.
    """

    __slots__ = ("approval", "returns")

    returns: dict[str, Any] | None
    approval: ToolApproval

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        schema: dict[str, Any] | None = None,
        returns: dict[str, Any] | None = None,
        approval: ToolApproval = "never_require",
    ) -> None:
        if approval not in APPROVALS:
            raise PolicyError(f"approval must be one of {', '.join(map(repr, APPROVALS))}, got {approval!r}")
        super().__init__(function, name=name, description=description, schema=schema)
        object.__setattr__(self, "approval", approval)
        object.__setattr__(self, "returns", _returned(function) if returns is None else dict(returns))

    @classmethod
    def of(cls, tool: Tool) -> CodeActTool:
        """Returns a tool as one of this class; it is called without asking, unless it is one already."""
        if isinstance(tool, cls):
            return tool
        made = object.__new__(cls)
        for attribute in Tool.__slots__:
            object.__setattr__(made, attribute, getattr(tool, attribute))
        object.__setattr__(made, "approval", "never_require")
        object.__setattr__(made, "returns", _returned(tool.function))
        return made

    def calling(self, function: Callable[..., Any]) -> CodeActTool:
        """Returns the same tool with another function behind it, which takes the same arguments."""
        return typing.cast(CodeActTool, self._changed(function=function))

    def asking(self) -> CodeActTool:
        """Returns the same tool, which asks for approval at each call."""
        return typing.cast(CodeActTool, self._changed(approval="ask"))

    def __repr__(self) -> str:
        return f"CodeActTool({self.function!r}, name={self.name!r}, approval={self.approval!r})"


def collect_codeact_tools(tools: ToolsInput) -> list[CodeActTool]:
    """Returns what `tools=` takes as a list.

    Raises:
        PolicyError: One of them is no tool, or a name of a mapping is not usable.
    """
    if isinstance(tools, Mapping):
        return [_named(name, tool) for name, tool in tools.items()]
    if callable(tools) or isinstance(tools, Tool):
        return [_made(tools)]
    if isinstance(tools, (str, bytes)) or not isinstance(tools, Iterable):
        raise PolicyError(f"tools must be functions or Tool objects, got {type(tools).__name__}")
    return [_made(tool) for tool in tools]


def _made(tool: _Function | Tool) -> CodeActTool:
    return CodeActTool.of(tool) if isinstance(tool, Tool) else CodeActTool(tool)


def _named(name: str, tool: _Function | Tool) -> CodeActTool:
    if isinstance(tool, Tool):
        return typing.cast(CodeActTool, CodeActTool.of(tool).renamed(name))
    return CodeActTool(tool, name=name)


def _returned(function: Callable[..., Any]) -> dict[str, Any] | None:
    """Returns the schema of what a function is annotated to return, if that can be told."""
    compiler = Compiler()
    try:
        hint = typing.get_type_hints(inspect.unwrap(function), include_extras=True)["return"]
        schema = dict(compiler.kind(hint).schema)
    except (UnsupportedTypeError, KeyError, NameError, TypeError, AttributeError, ValueError):
        return None  # It is for the model to read; nothing is checked against it.
    if compiler.definitions:
        schema["$defs"] = compiler.definitions
    return schema
