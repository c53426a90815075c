"""A parameter's annotation as a JSON schema and as a check of the values that the guest sends.

Each annotation becomes a `Kind`: `schema` describes it to a model, `convert` checks a value and builds what the function
expects. A value is refused with the path to it, never quietly changed: a bool is no int, a text is no number.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import sys
import types
import typing
import uuid
from collections.abc import Callable
from typing import Any

_SHOWN = 60


class ArgumentError(TypeError):
    """An argument does not fit its parameter."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """What one annotation means."""

    name: str
    schema: dict[str, Any]
    convert: Callable[[Any, str], Any]


def shown(value: Any) -> str:
    """Returns the type and a short repr of a value, for an error."""
    text = repr(value)
    if len(text) > _SHOWN:
        text = text[: _SHOWN - 3] + "..."
    return f"{type(value).__name__} {text}"


def _refuse(path: str, name: str, value: Any) -> typing.NoReturn:
    raise ArgumentError(f"{path} must be {name}, got {shown(value)}")


def _exact(name: str, schema: dict[str, Any], *accepted: type) -> Kind:
    def convert(value: Any, path: str) -> Any:
        if type(value) not in accepted:
            _refuse(path, name, value)
        return value

    return Kind(name, schema, convert)


def _float() -> Kind:
    def convert(value: Any, path: str) -> float:
        if type(value) not in (int, float):
            _refuse(path, "float", value)
        return float(value)

    return Kind("float", {"type": "number"}, convert)


ANY = Kind("any value", {}, lambda value, path: value)
_SIMPLE: dict[Any, Kind] = {
    Any: ANY,
    object: ANY,
    None: _exact("None", {"type": "null"}, type(None)),
    type(None): _exact("None", {"type": "null"}, type(None)),
    bool: _exact("bool", {"type": "boolean"}, bool),
    int: _exact("int", {"type": "integer"}, int),
    float: _float(),
    str: _exact("str", {"type": "string"}, str),
    bytes: _exact("bytes", {"type": "string", "format": "binary"}, bytes),
    datetime.datetime: _exact("datetime", {"type": "string", "format": "date-time"}, datetime.datetime),
    datetime.date: _exact("date", {"type": "string", "format": "date"}, datetime.date),
    datetime.time: _exact("time", {"type": "string", "format": "time"}, datetime.time),
    datetime.timedelta: _exact("timedelta", {"type": "string", "format": "duration"}, datetime.timedelta),
    decimal.Decimal: _exact("Decimal", {"type": "string", "format": "decimal"}, decimal.Decimal),
    uuid.UUID: _exact("UUID", {"type": "string", "format": "uuid"}, uuid.UUID),
    dict: _exact("dict", {"type": "object"}, dict),
}
_SEQUENCES: dict[Any, Callable[[Any], Any]] = {
    list: list,
    collections.abc.Sequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    set: set,
    frozenset: frozenset,
    collections.abc.Set: frozenset,
    collections.abc.MutableSequence: list,
}
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def kind_of(annotation: Any) -> Kind:
    """Returns what an annotation means.

    Raises:
        TypeError: Values of that type cannot cross to a tool.
    """
    simple = _SIMPLE.get(annotation) if isinstance(annotation, collections.abc.Hashable) else None
    if simple is not None:
        return simple
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _annotated(arguments)
    if origin is typing.Literal:
        return _literal(arguments)
    if origin is typing.Union or isinstance(annotation, getattr(types, "UnionType", ())):
        return _union(arguments)
    if annotation in _SEQUENCES or origin in _SEQUENCES:
        return _sequence(origin or annotation, arguments)
    if annotation is tuple or origin is tuple:
        return _tuple(arguments)
    if annotation in _MAPPINGS or origin in _MAPPINGS:
        return _mapping(arguments)
    if isinstance(annotation, type):
        return _class(annotation)
    raise TypeError(f"annotation {annotation!r} is not supported")


def _annotated(arguments: tuple[Any, ...]) -> Kind:
    inner = kind_of(arguments[0])
    texts = [extra for extra in arguments[1:] if isinstance(extra, str)]
    texts += [extra.description for extra in arguments[1:] if isinstance(getattr(extra, "description", None), str)]
    return dataclasses.replace(inner, schema={**inner.schema, "description": " ".join(texts)}) if texts else inner


def _literal(values: tuple[Any, ...]) -> Kind:
    name = "one of " + ", ".join(map(repr, values))

    def convert(value: Any, path: str) -> Any:
        for allowed in values:
            if type(value) is type(allowed) and value == allowed:
                return allowed
        _refuse(path, name, value)

    return Kind(name, {"enum": list(values)}, convert)


def _union(members: tuple[Any, ...]) -> Kind:
    kinds = [kind_of(member) for member in members]
    name = " or ".join(kind.name for kind in kinds)

    def convert(value: Any, path: str) -> Any:
        for kind in kinds:
            try:
                return kind.convert(value, path)
            except ArgumentError:
                continue
        _refuse(path, name, value)

    return Kind(name, {"anyOf": [kind.schema for kind in kinds]}, convert)


def _sequence(container: Any, arguments: tuple[Any, ...]) -> Kind:
    item = kind_of(arguments[0]) if arguments else ANY
    build = _SEQUENCES[container]
    name = f"{build.__name__} of {item.name}"
    schema: dict[str, Any] = {"type": "array", "items": item.schema}
    if build is not list:
        schema["uniqueItems"] = True

    def convert(value: Any, path: str) -> Any:
        if not isinstance(value, (list, tuple, set, frozenset)) or (
            build is list and isinstance(value, (set, frozenset))
        ):
            _refuse(path, name, value)
        return build(item.convert(entry, f"{path}[{index}]") for index, entry in enumerate(value))

    return Kind(name, schema, convert)


def _tuple(arguments: tuple[Any, ...]) -> Kind:
    if not arguments or (len(arguments) == 2 and arguments[1] is Ellipsis):
        item = kind_of(arguments[0]) if arguments else ANY

        def convert_any(value: Any, path: str) -> tuple[Any, ...]:
            if not isinstance(value, (list, tuple)):
                _refuse(path, "tuple", value)
            return tuple(item.convert(entry, f"{path}[{index}]") for index, entry in enumerate(value))

        return Kind(f"tuple of {item.name}", {"type": "array", "items": item.schema}, convert_any)
    kinds = [kind_of(argument) for argument in arguments]
    name = f"tuple of {len(kinds)}"

    def convert(value: Any, path: str) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)) or len(value) != len(kinds):
            _refuse(path, name, value)
        return tuple(
            kind.convert(entry, f"{path}[{index}]") for index, (kind, entry) in enumerate(zip(kinds, value, strict=True))
        )

    schema = {"type": "array", "prefixItems": [k.schema for k in kinds], "minItems": len(kinds), "maxItems": len(kinds)}
    return Kind(name, schema, convert)


def _mapping(arguments: tuple[Any, ...]) -> Kind:
    key, item = (kind_of(arguments[0]), kind_of(arguments[1])) if len(arguments) == 2 else (ANY, ANY)
    name = f"dict of {item.name}"

    def convert(value: Any, path: str) -> dict[Any, Any]:
        if not isinstance(value, dict):
            _refuse(path, name, value)
        return {
            key.convert(k, f"key {k!r} of {path}"): item.convert(entry, f"{path}[{k!r}]") for k, entry in value.items()
        }

    return Kind(name, {"type": "object", "additionalProperties": item.schema}, convert)


def _class(cls: type) -> Kind:
    if issubclass(cls, enum.Enum):
        return _enum(cls)
    if typing.is_typeddict(cls):
        return _fields(cls, dict, typing.get_type_hints(cls, include_extras=True), cls.__required_keys__)
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and issubclass(cls, pydantic.BaseModel):
        return _pydantic(cls, pydantic)
    if dataclasses.is_dataclass(cls):
        hints = typing.get_type_hints(cls, include_extras=True)
        listed = [field for field in dataclasses.fields(cls) if field.init]
        required = {
            field.name
            for field in listed
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        }
        return _fields(cls, cls, {field.name: hints[field.name] for field in listed}, required)
    raise TypeError(f"a parameter of type {cls.__qualname__} cannot be built from values of the guest")


def _enum(cls: type[enum.Enum]) -> Kind:
    values = [member.value for member in cls]

    def convert(value: Any, path: str) -> Any:
        for member in cls:
            if type(value) is type(member.value) and value == member.value:
                return member
        _refuse(path, "one of " + ", ".join(map(repr, values)), value)

    return Kind(cls.__name__, {"enum": values}, convert)


def _fields(cls: type, build: Any, hints: dict[str, Any], required: Any) -> Kind:
    kinds = {name: kind_of(hint) for name, hint in hints.items()}

    def convert(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            _refuse(path, f"dict for {cls.__name__}", value)
        unknown = [key for key in value if key not in kinds]
        missing = [key for key in kinds if key in required and key not in value]
        if unknown or missing:
            what = f"no field {unknown[0]!r}" if unknown else f"field {missing[0]!r}"
            raise ArgumentError(f"{path}: {cls.__name__} needs {what}; it has {', '.join(kinds)}")
        built = {name: kinds[name].convert(entry, f"{path}[{name!r}]") for name, entry in value.items()}
        try:
            return build(**built)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"{path}: {cls.__name__}: {error}") from error

    schema = {
        "type": "object",
        "properties": {name: kind.schema for name, kind in kinds.items()},
        "required": [name for name in kinds if name in required],
        "additionalProperties": False,
    }
    return Kind(cls.__name__, schema, convert)


def _pydantic(cls: Any, pydantic: Any) -> Kind:
    def convert(value: Any, path: str) -> Any:
        try:
            return cls.model_validate(value)
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            where = "".join(f"[{part!r}]" for part in first["loc"])
            raise ArgumentError(f"{path}{where}: {first['msg']}") from error

    return Kind(cls.__name__, cls.model_json_schema(), convert)
