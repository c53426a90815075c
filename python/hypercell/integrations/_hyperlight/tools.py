"""Tools as hyperlight-sandbox 0.8.0 has them: what it accepts, checks and returns.

Its tools take keyword arguments, checked by annotation or by the type of the default, one of five kinds. What they
return crosses as JSON would have it, and anything else as its text.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import operator
import typing
from collections.abc import Callable, Mapping
from typing import Any

from ..._tools import Tool

#: Before the names of tools in the guest. With it no name is an identifier, so that no tool hides a builtin: submitted
#: code reaches tools through `call_tool` alone.
PREFIX = "tool:"
_MAX_DEPTH = 64
_MAX_LITERAL_CHARS = 10_000
# By the name of the annotation, which is how 0.8.0 tells them apart.
_KINDS = {
    "int": "number",
    "float": "number",
    "str": "string",
    "bool": "boolean",
    "dict": "object",
    "list": "array",
}


def parse_registration(
    name_or_tool: Any, callback: Callable[..., Any] | None
) -> tuple[str, Callable[..., Any]]:
    """Returns the name and the function that `register_tool` was given.

    Raises:
        TypeError: It was given neither a name and a function, nor an object with `name` and `handler`.
    """
    if callback is None and hasattr(name_or_tool, "handler") and hasattr(name_or_tool, "name"):
        return name_or_tool.name, _handler_of(name_or_tool)
    if callback is None and callable(name_or_tool):
        return name_or_tool.__name__, name_or_tool
    if not isinstance(name_or_tool, str) or not callable(callback):
        raise TypeError("register_tool() expects (name, callable) or a Tool object")
    return name_or_tool, callback


def tool_of(name: str, callback: Callable[..., Any]) -> Tool:
    """Makes the tool that the guest calls.

    Raises:
        RuntimeError: The signature cannot be read.
        PolicyError: The name cannot be that of a tool.
    """
    required, kinds = _signature(name, callback)

    def call(**arguments: Any) -> Any:
        _check(name, arguments, required, kinds)
        result = callback(**arguments)
        # On a thread of the sandbox, where no event loop runs.
        return plain(asyncio.run(_result_of(result)) if inspect.isawaitable(result) else result)

    return Tool(call, name=PREFIX + name, description=inspect.getdoc(callback) or "")


def plain(value: Any, depth: int = 0) -> Any:
    """Returns a value as it arrives in the guest: JSON's kinds as they are, numbers of any kind, the rest as text.

    Raises:
        ValueError: It is nested too deep.
        TypeError: A key of a dict is no str.
    """
    if depth > _MAX_DEPTH:
        raise ValueError(f"maximum nesting depth ({_MAX_DEPTH}) exceeded")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (list, tuple)):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"keys must be str, got {type(key).__name__}")
        return {str.__str__(key): plain(item, depth + 1) for key, item in value.items()}
    if hasattr(type(value), "__index__"):
        return operator.index(value)
    return float(value) if hasattr(type(value), "__float__") else str(value)


async def _result_of(result: Any) -> Any:
    return await result


def _handler_of(tool: Any) -> Callable[..., Any]:
    """Returns the function behind a tool of an SDK, whose handler takes an invocation and answers for a model."""

    async def call(**arguments: Any) -> Any:
        invocation = {"arguments": arguments, "tool_call_id": "sandbox", "tool_name": tool.name}
        result = tool.handler(invocation)
        if inspect.isawaitable(result):
            result = await result
        if not isinstance(result, dict) or "textResultForLlm" not in result:
            return result
        text = result["textResultForLlm"]
        try:
            return ast.literal_eval(text) if len(text) < _MAX_LITERAL_CHARS else text
        except (ValueError, SyntaxError):
            return text

    return call


def _signature(name: str, callback: Callable[..., Any]) -> tuple[list[str], dict[str, str]]:
    """Returns which arguments a tool must get, and of which kind they are where that is known."""
    try:
        parameters = inspect.signature(callback).parameters.values()
    except (TypeError, ValueError) as error:
        raise RuntimeError(
            f"Cannot initialize sandbox: unable to infer argument schema for tool '{name}'. "
            "Use a plain function with type annotations or typed defaults."
        ) from error
    required, kinds = [], {}
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        kind = _kind_of_annotation(parameter.annotation)
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        elif kind is None:
            kind = _KINDS.get(type(parameter.default).__name__)
        if kind is not None:
            kinds[parameter.name] = kind
    return required, kinds


def _kind_of_annotation(annotation: Any) -> str | None:
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return _KINDS.get(getattr(annotation, "__name__", ""))


def _check(name: str, arguments: Mapping[str, Any], required: list[str], kinds: Mapping[str, str]) -> None:
    """Checks arguments, which the guest controls."""
    for argument in required:
        if argument not in arguments:
            raise ValueError(f"tool '{name}': missing required argument '{argument}'")
    for argument, kind in kinds.items():
        given = _kind_of(arguments[argument]) if argument in arguments else kind
        if given != kind:
            raise ValueError(f"tool '{name}': argument '{argument}' must be {kind}, got {given}")


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    return "array" if isinstance(value, tuple) else _KINDS.get(type(value).__name__, type(value).__name__)
