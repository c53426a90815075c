"""Tools: functions of the caller that submitted code may call, with their names, schemas and argument checks.

Guarantees: what a tool cannot take is refused before it is called, with a message that a model can act on; a tool
that cannot be offered in full is refused when it is made. Never: calls a tool.

Before: _sandbox. After: _schema.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import keyword
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ._errors import PolicyError
from ._kinds import ANY, JsonSchema, Kind, MismatchError, first_line, shortened
from ._schema import Compiler, UnsupportedTypeError, description_of, with_description

__all__ = ["ArgumentError", "Tool", "Tools", "collect_tools"]

MAX_TOOLS = 1024
MAX_TOOL_NAME_BYTES = 128
MAX_TOOL_DESCRIPTION_BYTES = 64 * 1024
# Where the guest puts the positional arguments of a call, as a list: only the host knows the parameters.
POSITIONAL = ""

# What is no identifier can still be called through call_tool; names such as `get-user` are common elsewhere.
_NAME = re.compile(r"\w[\w.:/-]*")
# Globals that the guest itself gives meaning to.
_RESERVED_NAMES = frozenset({"call_tool", "call_tool_async", "ToolError", "result"})
_DOC_ARGS = re.compile(r"^(args|arguments|parameters):\s*$", re.IGNORECASE)
_DOC_SECTION = re.compile(r"^\S[^:]*:\s*$")
_DOC_ARG = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")


Function = Callable[..., Any]


class ArgumentError(TypeError):
    """Arguments from the guest that a tool does not take. The message names the tool and the argument."""


@dataclasses.dataclass(frozen=True)
class _Parameter:
    kind: Kind
    is_required: bool
    is_positional: bool
    allows_none: bool


class Tool:
    """A function that submitted code may call.

    The JSON schema is made from the signature: annotations, defaults, `Annotated` descriptions, and the `Args` of a
    Google-style docstring. What `functools.partial` binds stays fixed and is not offered to the guest.

    Args:
        function: What to call: a function, method, `functools.partial` or other callable, sync or async.
        name: How submitted code names it, at most 128 bytes. Not given: the name of the function.
        description: What it does, at most 64 KiB. Not given: the first paragraph of the docstring.
        schema: JSON schema of the arguments, an object with `properties`, for a function that checks them itself, such
            as one that takes `**kwargs`. Names alone are checked against it. Not given: made from the signature.

    Attributes:
        function: The callable as given.
        name: Its name in the guest.
        description: Its docstring in the guest.
        schema: JSON schema of the arguments, an object.
        is_async: Whether the result has to be awaited.

    Raises:
        PolicyError: The name or the schema is not usable, or a parameter cannot be offered to the guest.

    Example:
        >>> def add(a: int, b: int = 1) -> int:
        ...     '''Adds two numbers.'''
        ...     return a + b
        >>> Tool(add).schema["properties"]["b"]
        {'type': 'integer', 'default': 1}
    """

    __slots__ = ("_extra", "_parameters", "description", "function", "is_async", "name", "schema")

    function: Callable[..., Any]
    name: str
    description: str
    schema: JsonSchema
    is_async: bool
    _parameters: dict[str, _Parameter]
    _extra: Kind | None

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        schema: JsonSchema | None = None,
    ) -> None:
        if not callable(function):
            raise PolicyError(f"a tool must be callable, got {shortened(function)}")
        target = _target(function)
        if name is None:
            name = getattr(target, "__name__", None) or type(target).__name__
            if not name.isidentifier():
                raise PolicyError(f"a tool needs a name, as in {{'name': function}}: {name!r} is none")
        _check_name(name)
        doc = _docstring(target)
        if description is None:
            description = _first_paragraph(doc)
        _check_description(name, description)
        if schema is None:
            parameters, extra, schema = _read_signature(name, function, target, _argument_docs(doc))
        else:
            parameters, extra, schema = _read_schema(name, schema)
        for attribute, value in (
            ("function", function),
            ("name", name),
            ("description", description),
            ("schema", schema),
            ("is_async", _is_async(function, target)),
            ("_parameters", parameters),
            ("_extra", extra),
        ):
            object.__setattr__(self, attribute, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"cannot set {name!r}: a Tool does not change")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"cannot delete {name!r}: a Tool does not change")

    def __repr__(self) -> str:
        return f"Tool({self.function!r}, name={self.name!r}, description={self.description!r})"

    def renamed(self, name: str) -> Tool:
        """Returns the same tool under another name.

        Raises:
            PolicyError: The name is not usable.
        """
        _check_name(name)
        return self._changed(name=name)

    def _changed(self, **changes: Any) -> Tool:
        """Returns a copy with other attributes, of the same class."""
        copied = object.__new__(type(self))
        for cls in type(self).__mro__:
            for attribute in getattr(cls, "__slots__", ()):
                value = changes.get(attribute, getattr(self, attribute))
                object.__setattr__(copied, attribute, value)
        return copied

    def bind(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Checks the arguments of a call and returns those to call the function with, by name.

        Input is guest-controlled.

        Args:
            arguments: Arguments by name; positional ones stand as a list under "".

        Returns:
            Keyword arguments, converted: a dict has become the dataclass or model of the annotation, and so on.

        Raises:
            ArgumentError: An argument is missing, unknown, given twice or of the wrong type.
        """
        bound = {}
        for name, value in self.by_name(arguments).items():
            parameter = self._parameters.get(name)
            kind = parameter.kind if parameter is not None else self._extra
            if parameter is None and name in _fixed_names(self.function):
                # **kwargs would take it, and so replace what functools.partial binds.
                kind = None
            if kind is None:
                raise ArgumentError(f"{self.name}: unknown argument {_quoted(name)}; {self._known()}")
            try:
                is_default = value is None and parameter is not None and parameter.allows_none
                bound[name] = None if is_default else kind.check(value)
            except MismatchError as error:
                path = _quoted(name) + "".join(f"[{_quoted(step)}]" for step in reversed(error.trail))
                raise ArgumentError(f"{self.name}: argument {path} {error.text}") from error
        for name, parameter in self._parameters.items():
            if parameter.is_required and name not in bound:
                raise ArgumentError(f"{self.name}: missing argument {name!r}; {self._known()}")
        return bound

    def by_name(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the arguments of a call with each positional one under the name of its parameter.

        Raises:
            ArgumentError: One has no name, or two.
        """
        named = dict(arguments)
        positional = named.pop(POSITIONAL, ())
        if not isinstance(positional, (list, tuple)):
            raise ArgumentError(
                f"{self.name}: positional arguments must be list, got {shortened(positional)}"
            )
        names = [name for name, parameter in self._parameters.items() if parameter.is_positional]
        if len(positional) > len(names):
            raise ArgumentError(
                f"{self.name}: takes at most {len(names)} positional arguments, got {len(positional)}; {self._known()}"
            )
        for name, value in zip(names, positional, strict=False):
            if name in named:
                raise ArgumentError(f"{self.name}: argument {name!r} is given twice, by position and by name")
            named[name] = value
        return named

    def _known(self) -> str:
        return f"it takes {', '.join(self._parameters) or 'none'}" + (" and any other" if self._extra else "")


Tools = Iterable[Function | Tool] | Mapping[str, Function | Tool]


def collect_tools(tools: Tools | None) -> dict[str, Tool]:
    """Returns the tools of a sandbox by name.

    Args:
        tools: `None`, an iterable of functions and `Tool` objects, or a mapping from names to them. A name in a mapping
            takes the place of the one that a `Tool` has.

    Raises:
        PolicyError: Two tools have one name, there are more than 1024, or one of them is no tool.
    """
    if tools is None:
        return {}
    if isinstance(tools, (str, bytes)) or not isinstance(tools, Iterable):
        raise PolicyError(f"tools must be a list of functions or a dict of them, got {shortened(tools)}")
    entries: Iterable[tuple[Any, Any]]
    entries = tools.items() if isinstance(tools, Mapping) else ((None, tool) for tool in tools)
    collected: dict[str, Tool] = {}
    for key, entry in entries:
        tool = _tool_of(key, entry, is_named=isinstance(tools, Mapping))
        if tool.name in collected:
            raise PolicyError(f"two tools have the name {tool.name!r}")
        if len(collected) >= MAX_TOOLS:
            raise PolicyError(f"there are more than {MAX_TOOLS} tools")
        collected[tool.name] = tool
    return collected


def _tool_of(key: object, entry: object, *, is_named: bool) -> Tool:
    if is_named and not isinstance(key, str):
        raise PolicyError(f"the name of a tool must be str, got {shortened(key)}")
    name = key if isinstance(key, str) else None
    if isinstance(entry, Tool):
        return entry if name is None or name == entry.name else entry.renamed(name)
    if not callable(entry):
        where = "a tool" if name is None else f"the tool {name!r}"
        raise PolicyError(f"{where} must be callable, got {shortened(entry)}")
    return Tool(entry, name=name)


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise PolicyError(f"the name of a tool must be str, got {shortened(name)}")
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        raise PolicyError(f"the tool name {shortened(name)} is not valid Unicode") from None
    if not 1 <= length <= MAX_TOOL_NAME_BYTES:
        raise PolicyError(
            f"the tool name {name[:40]!r} has {length} bytes, which is not from 1 to {MAX_TOOL_NAME_BYTES}"
        )
    if not (name.isidentifier() or _NAME.fullmatch(name)):
        raise PolicyError(f"the tool name {name!r} must consist of letters, digits and _ . : / -")
    if keyword.iskeyword(name):
        raise PolicyError(f"the tool name {name!r} is a keyword of Python")
    if name.startswith("__") and name.endswith("__"):
        raise PolicyError(f"the tool name {name!r} is kept for Python itself")
    if name in _RESERVED_NAMES:
        raise PolicyError(
            f"the tool name {name!r} is one of the sandbox's own: {', '.join(sorted(_RESERVED_NAMES))}"
        )


def _check_description(name: str, description: object) -> None:
    if not isinstance(description, str):
        raise PolicyError(f"the description of tool {name!r} must be str, got {shortened(description)}")
    try:
        length = len(description.encode())
    except UnicodeEncodeError:
        raise PolicyError(f"the description of tool {name!r} is not valid Unicode") from None
    if length > MAX_TOOL_DESCRIPTION_BYTES:
        raise PolicyError(
            f"the description of tool {name!r} has {length} bytes, which exceeds {MAX_TOOL_DESCRIPTION_BYTES}"
        )


def _target(function: Any) -> Any:
    """Returns the callable that partial objects are made from."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _call_method(target: Any) -> Any:
    return type(target).__call__


def _code_owner(target: Any) -> Any:
    """Returns the function that has the annotations of a callable."""
    if isinstance(target, type):
        owner = inspect.getattr_static(target, "__init__")
        if owner is object.__init__:
            owner = target.__new__
    elif isinstance(target, (types.FunctionType, types.MethodType, types.BuiltinFunctionType)):
        owner = target
    else:
        owner = target if hasattr(target, "__wrapped__") else _call_method(target)
    return inspect.unwrap(getattr(owner, "__func__", owner))


def _is_async(function: Any, target: Any) -> bool:
    return any(
        inspect.iscoroutinefunction(candidate) for candidate in (function, target, _call_method(target))
    )


def _docstring(target: Any) -> str:
    if isinstance(target, (type, types.FunctionType, types.MethodType, types.BuiltinFunctionType)):
        return inspect.getdoc(target) or ""
    own = vars(target).get("__doc__") if hasattr(target, "__dict__") else None
    return inspect.cleandoc(own) if isinstance(own, str) else inspect.getdoc(_call_method(target)) or ""


def _first_paragraph(doc: str) -> str:
    lines = []
    for line in doc.splitlines():
        if not line.strip() or _DOC_ARGS.match(line):
            break
        lines.append(line.strip())
    return " ".join(lines)


def _argument_docs(doc: str) -> dict[str, str]:
    """Reads the `Args` section of a Google-style docstring."""
    docs: dict[str, str] = {}
    section: list[str] | None = None
    for line in doc.splitlines():
        if _DOC_ARGS.match(line):
            section = []
        elif section is not None:
            if line and not line[0].isspace():
                break
            section.append(line)
    if not section:
        return docs
    depth = min((len(line) - len(line.lstrip()) for line in section if line.strip()), default=0)
    current = None
    for line in section:
        text = line.strip()
        match = _DOC_ARG.match(text) if len(line) - len(line.lstrip()) == depth else None
        if match:
            current = match[1]
            docs[current] = match[2]
        elif text and current:
            docs[current] = f"{docs[current]} {text}".strip()
    return docs


def _signature(name: str, function: Any) -> inspect.Signature | None:
    options: dict[str, Any] = {}
    if sys.version_info >= (3, 14):
        import annotationlib

        # Names that do not exist are reported with their parameter, below.
        options["annotation_format"] = annotationlib.Format.FORWARDREF
    try:
        return inspect.signature(function, **options)
    except ValueError:
        return None  # A builtin that does not tell. It checks its arguments by itself.
    except Exception as error:
        raise PolicyError(
            f"tool {name!r} has no readable signature: {type(error).__name__}: {first_line(error)}"
        ) from error


def _read_signature(
    name: str, function: Any, target: Any, docs: dict[str, str]
) -> tuple[dict[str, _Parameter], Kind | None, JsonSchema]:
    schema: JsonSchema
    signature = _signature(name, function)
    if signature is None:
        schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": True}
        return {}, ANY, schema
    compiler, owner = Compiler(), _code_owner(target)
    fixed = _fixed_names(function)
    parameters: dict[str, _Parameter] = {}
    properties: dict[str, JsonSchema] = {}
    extra: Kind | None = None
    for parameter in signature.parameters.values():
        if parameter.name in fixed or _is_unreachable(name, parameter, owner):
            continue
        annotation, kind = _parameter_kind(name, parameter, owner, compiler)
        if parameter.kind is parameter.VAR_KEYWORD:
            extra = kind
            continue
        has_default = parameter.default is not parameter.empty
        parameters[parameter.name] = _Parameter(
            kind,
            is_required=not has_default,
            is_positional=parameter.kind is parameter.POSITIONAL_OR_KEYWORD,
            allows_none=parameter.default is None,
        )
        properties[parameter.name] = with_description(
            kind.schema,
            description_of(annotation) or docs.get(parameter.name),
            parameter.default if has_default else dataclasses.MISSING,
        )
    schema = {
        "type": "object",
        "properties": properties,
        "required": [key for key, parameter in parameters.items() if parameter.is_required],
        "additionalProperties": (extra.schema or True) if extra else False,
    }
    if compiler.definitions:
        schema["$defs"] = compiler.definitions
    return parameters, extra, schema


def _read_schema(name: str, schema: object) -> tuple[dict[str, _Parameter], Kind | None, JsonSchema]:
    """Reads names from a schema that somebody else made; the function checks types."""
    if not isinstance(schema, Mapping) or schema.get("type", "object") != "object":
        raise PolicyError(f"the schema of tool {name!r} must be that of an object, got {shortened(schema)}")
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, Mapping) or not all(isinstance(key, str) for key in properties):
        raise PolicyError(
            f"the properties of tool {name!r} must be named schemas, got {shortened(properties)}"
        )
    if not isinstance(required, (list, tuple)) or not all(key in properties for key in required):
        raise PolicyError(
            f"what tool {name!r} requires must be among its properties, got {shortened(required)}"
        )
    parameters = {
        key: _Parameter(ANY, is_required=key in required, is_positional=True, allows_none=False)
        for key in properties
    }
    allows_others = schema.get("additionalProperties", not properties) is not False
    return parameters, ANY if allows_others else None, copy.deepcopy(dict(schema))


def _fixed_names(function: Any) -> set[str]:
    names: set[str] = set()
    while isinstance(function, functools.partial):
        names.update(function.keywords)
        function = function.func
    return names


def _is_unreachable(name: str, parameter: inspect.Parameter, owner: Any) -> bool:
    """Says whether a parameter is left out; raises where the tool could not be called as it is meant to."""
    if parameter.kind is parameter.VAR_POSITIONAL:
        raise PolicyError(
            f"tool {name!r} takes *{parameter.name}, but arguments are passed by name: use a list parameter"
        )
    if parameter.kind is not parameter.POSITIONAL_ONLY:
        return False
    if parameter.default is not parameter.empty and not isinstance(owner, types.FunctionType):
        return True
    raise PolicyError(
        f"tool {name!r} takes {parameter.name!r} by position only, but arguments are passed by name: remove the /"
    )


def _parameter_kind(
    name: str, parameter: inspect.Parameter, owner: Any, compiler: Compiler
) -> tuple[Any, Kind]:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return Any, compiler.kind(Any)
    written = (
        annotation if isinstance(annotation, str) else getattr(annotation, "__forward_arg__", annotation)
    )
    holder = types.SimpleNamespace(__annotations__={parameter.name: annotation})
    names = {variable.__name__: variable for variable in getattr(owner, "__type_params__", ())}
    try:
        hints = typing.get_type_hints(holder, getattr(owner, "__globals__", {}), names, include_extras=True)
        annotation = hints[parameter.name]
    except Exception as error:
        raise PolicyError(
            f"tool {name!r}: the annotation of {parameter.name!r}, {written}, cannot be resolved:"
            f" {type(error).__name__}: {first_line(error)}"
        ) from error
    try:
        return annotation, compiler.kind(annotation)
    except UnsupportedTypeError as error:
        raise PolicyError(
            f"tool {name!r}: parameter {parameter.name!r}: {error}; functools.partial can fix its value"
        ) from error


def _quoted(step: object) -> str:
    if isinstance(step, str) and len(step) <= 60:
        return repr(step)
    return repr(step) if isinstance(step, int) and abs(step) < 10**30 else shortened(step)
