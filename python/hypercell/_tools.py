"""Tools: functions of the caller that submitted code may call."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Union

from ._errors import PolicyError
from ._schema import ANY, ArgumentError, Kind, kind_of

__all__ = ["ArgumentError", "Tool", "Tools", "collect_tools"]

MAX_NAME_BYTES = 128
MAX_TOOLS = 1024
# Where the guest puts positional arguments of a call by name: it does not know the names of the parameters.
POSITIONAL = ""

Function = Callable[..., Any]
Tools = Union[Iterable[Union[Function, "Tool"]], Mapping[str, Union[Function, "Tool"]]]


class Tool:
    """A function with the name, description and parameters that submitted code and a model see.

    Args:
        function: What runs on the host: a function, method, partial or callable object, sync or async. Parameters may be
            annotated with plain types, `Annotated` (a text is the description), `Literal`, `Optional`, unions, enums,
            collections, TypedDicts, dataclasses and pydantic models; arguments are checked against them.
        name: Name of the tool; the function's own unless given.
        description: What the tool does; the first paragraph of the docstring unless given.

    Raises:
        PolicyError: The function or its signature cannot be a tool.
    """

    def __init__(self, function: Function, *, name: str | None = None, description: str | None = None) -> None:
        if not callable(function):
            raise PolicyError(f"a tool must be callable, got {type(function).__name__}")
        own = name if name is not None else _own_name(function)
        self.name = _checked_name(own)
        self.function = function
        doc = inspect.getdoc(function) if description is None else description
        if description is not None and not isinstance(description, str):
            raise PolicyError(f"tool {self.name!r}: description must be str, got {type(description).__name__}")
        self.description = _first_paragraph(doc or "")
        called = inspect.unwrap(getattr(function, "func", function))
        self.is_async = inspect.iscoroutinefunction(called) or inspect.iscoroutinefunction(
            getattr(called, "__call__", None)  # noqa: B004: the method itself is what may be async
        )
        self._kinds, self._required, self._takes_more = self._parameters(doc or "")

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the arguments: an object with a property for each parameter."""
        return {
            "type": "object",
            "properties": {name: dict(kind.schema) for name, kind in self._kinds.items()},
            "required": list(self._required),
            "additionalProperties": self._takes_more,
        }

    def bind(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Checks arguments from the guest and returns what the function is called with.

        Raises:
            ArgumentError: An argument is missing, unknown, given twice or of the wrong type.
        """
        given = dict(arguments)
        names = list(self._kinds)
        positional = given.pop(POSITIONAL, [])
        if len(positional) > len(names):
            raise ArgumentError(
                f"{self.name}() takes {len(names)} arguments at most ({', '.join(names)}), got {len(positional)}"
            )
        for name, value in zip(names, positional, strict=False):
            if name in given:
                raise ArgumentError(f"{self.name}() got two values for argument {name!r}")
            given[name] = value
        known = f"its arguments are {', '.join(names)}" if names else "it takes no arguments"
        for name in given:
            if name not in self._kinds and not self._takes_more:
                raise ArgumentError(f"{self.name}() has no argument {name!r}; {known}")
        for name in self._required:
            if name not in given:
                raise ArgumentError(f"{self.name}() needs argument {name!r}; {known}")
        return {
            name: self._kinds.get(name, ANY).convert(value, f"{self.name}: argument {name!r}")
            for name, value in given.items()
        }

    def _parameters(self, doc: str) -> tuple[dict[str, Kind], list[str], bool]:
        try:
            signature = inspect.signature(self.function)
        except (TypeError, ValueError) as error:
            raise PolicyError(f"tool {self.name!r} has no signature: {error}") from None
        hints = self._hints()
        described = _described_arguments(doc)
        kinds: dict[str, Kind] = {}
        required: list[str] = []
        takes_more = False
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                takes_more = True
                continue
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
                raise PolicyError(
                    f"tool {self.name!r}: parameter {parameter.name!r} can be given by position only; "
                    "tools are called with named arguments"
                )
            annotation = hints.get(parameter.name, parameter.annotation)
            kind = self._kind(parameter.name, annotation)
            if parameter.default is None and annotation is not parameter.empty:
                kind = _or_none(kind)
            if parameter.name in described and "description" not in kind.schema:
                kind = Kind(kind.name, {**kind.schema, "description": described[parameter.name]}, kind.convert)
            kinds[parameter.name] = kind
            if parameter.default is parameter.empty:
                required.append(parameter.name)
        return kinds, required, takes_more

    def _kind(self, parameter: str, annotation: Any) -> Kind:
        if annotation is inspect.Parameter.empty:
            return ANY
        try:
            return kind_of(annotation)
        except TypeError as error:
            raise PolicyError(f"tool {self.name!r}: parameter {parameter!r}: {error}") from None

    def _hints(self) -> dict[str, Any]:
        function: Any = getattr(self.function, "func", self.function)
        if not inspect.isroutine(function):
            function = type(function).__call__
        try:
            return typing.get_type_hints(inspect.unwrap(function), include_extras=True)
        except Exception as error:
            raise PolicyError(f"tool {self.name!r}: annotations cannot be resolved: {error}") from None

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"


def collect_tools(tools: Tools) -> dict[str, Tool]:
    """Returns tools by name.

    Raises:
        PolicyError: Something is no tool, two have one name, or there are too many.
    """
    collected: dict[str, Tool] = {}
    if isinstance(tools, (str, bytes)) or not isinstance(tools, Iterable):
        raise PolicyError(f"tools must be a list or mapping of functions, got {type(tools).__name__}")
    entries = tools.items() if isinstance(tools, Mapping) else ((None, entry) for entry in tools)
    for name, entry in entries:
        tool = _as_tool(name, entry)
        if tool.name in collected:
            raise PolicyError(f"two tools have the name {tool.name!r}")
        collected[tool.name] = tool
    if len(collected) > MAX_TOOLS:
        raise PolicyError(f"{len(collected)} tools exceed {MAX_TOOLS}")
    return collected


def _as_tool(name: Any, entry: Any) -> Tool:
    if not isinstance(entry, Tool):
        return Tool(entry, name=_checked_name(name) if name is not None else None)
    if name is None or name == entry.name:
        return entry
    return Tool(entry.function, name=name, description=entry.description)


def _own_name(function: Any) -> Any:
    for candidate in (function, getattr(function, "func", None), type(function)):
        name = getattr(candidate, "__name__", None)
        if isinstance(name, str):
            return name
    return None


def _checked_name(name: Any) -> str:
    if not isinstance(name, str):
        raise PolicyError(f"the name of a tool must be str, got {type(name).__name__}")
    size = len(name.encode("utf-8", "surrogatepass"))
    if not 0 < size <= MAX_NAME_BYTES:
        raise PolicyError(f"the name of a tool must have 1 to {MAX_NAME_BYTES} bytes, {name[:40]!r} has {size}")
    if name == "<lambda>" or any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in name):
        raise PolicyError(f"{name!r} cannot name a tool; give it a name with Tool(function, name=...)")
    if name.startswith("__"):
        raise PolicyError(f"{name!r} cannot name a tool: such names belong to Python")
    return name


def _first_paragraph(doc: str) -> str:
    return doc.strip().split("\n\n")[0].strip()


def _described_arguments(doc: str) -> dict[str, str]:
    """Reads the `Args:` block of a Google-style docstring."""
    described: dict[str, str] = {}
    current = None
    inside = False
    for line in doc.splitlines():
        if re.fullmatch(r"(Args|Arguments|Parameters):\s*", line):
            inside = True
        elif inside and line.strip() and not line.startswith(" "):
            break
        elif inside and (match := re.fullmatch(r" {2,4}(\w+)(?: \([^)]*\))?: (.*)", line)):
            current = match[1]
            described[current] = match[2].strip()
        elif inside and current and line.strip():
            described[current] += " " + line.strip()
    return described


def _or_none(kind: Kind) -> Kind:
    if kind is ANY or "None" in kind.name:
        return kind
    return Kind(
        f"{kind.name} or None",
        {"anyOf": [kind.schema, {"type": "null"}]},
        lambda value, path: None if value is None else kind.convert(value, path),
    )
