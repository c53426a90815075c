"""What a value from the guest must be: a JSON schema for a model, and a check that also converts.

Guarantees: a check never changes the value that it is given, and says where in it the fault is. Never: knows how an
annotation is written.

Before: _schema. After: the standard library.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math
import uuid
from collections.abc import Callable, Iterable
from typing import Any

JsonSchema = dict[str, Any]
Check = Callable[[Any], Any]

_MAX_REPR_CHARS = 60
_MAX_MESSAGE_CHARS = 400


class MismatchError(Exception):
    """A value is not what it must be.

    Attributes:
        text: What is wrong, such as `must be int, got str 'x'`.
        trail: Keys and indexes to the value, the innermost first.
    """

    def __init__(self, text: str, trail: Iterable[object] = ()) -> None:
        super().__init__(text)
        self.text = text
        self.trail = list(trail)


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a value must be.

    Attributes:
        schema: The JSON schema.
        check: Returns the value to hand to the tool, or raises `MismatchError`. Its input is guest-controlled.
        label: The name in error messages.
    """

    schema: JsonSchema
    check: Check
    label: str


@dataclasses.dataclass(frozen=True)
class Field:
    """A key of an object: what stands under it, whether it must, and its schema with description and default."""

    kind: Kind
    is_required: bool
    schema: JsonSchema


def shortened(value: object) -> str:
    """Returns the type of a value and the start of its repr, for an error message."""
    if value is None:
        return "None"
    name = type(value).__name__
    if isinstance(value, (list, tuple, set, frozenset, dict)):
        return f"{name} of {len(value)}"
    try:
        text = repr(value[: _MAX_REPR_CHARS + 1] if isinstance(value, (str, bytes)) else value)
    except Exception:  # An int may have too many digits for a repr.
        return name
    return f"{name} {text[:_MAX_REPR_CHARS]}..." if len(text) > _MAX_REPR_CHARS else f"{name} {text}"


def first_line(error: BaseException) -> str:
    """Returns the start of the message of an exception that the caller's code raised."""
    try:
        return (str(error).splitlines() or [""])[0][:_MAX_MESSAGE_CHARS]
    except Exception:
        return "<exception str() failed>"


def mismatch(label: str, value: object) -> MismatchError:
    """Returns the error of a value of the wrong type."""
    return MismatchError(f"must be {label}, got {shortened(value)}")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _instance(schema: JsonSchema, accepted: type, *, refused: tuple[type, ...] = ()) -> Kind:
    label = accepted.__name__

    def check(value: Any) -> Any:
        if isinstance(value, accepted) and not isinstance(value, refused):
            return value
        raise mismatch(label, value)

    return Kind(schema, check, label)


def _text(form: str, accepted: type, *, refused: tuple[type, ...] = ()) -> Kind:
    return _instance({"type": "string", "format": form}, accepted, refused=refused)


def _check_none(value: Any) -> None:
    if value is not None:
        raise mismatch("None", value)


def _check_float(value: Any) -> Any:
    if isinstance(value, float):
        return value
    if not _is_int(value):
        raise mismatch("float", value)
    try:
        return float(value)
    except OverflowError:
        raise MismatchError("must be float, got an int that is too large for one") from None


def _check_decimal(value: Any) -> Any:
    if isinstance(value, decimal.Decimal):
        return value
    if _is_int(value):
        return decimal.Decimal(value)
    raise mismatch("Decimal", value)


def _check_bytearray(value: Any) -> bytearray:
    if isinstance(value, (bytes, bytearray)):
        return bytearray(value)
    raise mismatch("bytes", value)


ANY = Kind({}, lambda value: value, "anything")
NONE = Kind({"type": "null"}, _check_none, "None")
_BYTES: JsonSchema = {"type": "string", "contentEncoding": "base64"}
SCALARS: dict[object, Kind] = {
    Any: ANY,
    object: ANY,
    None: NONE,
    type(None): NONE,
    bool: _instance({"type": "boolean"}, bool),
    int: _instance({"type": "integer"}, int, refused=(bool,)),
    float: Kind({"type": "number"}, _check_float, "float"),
    str: _instance({"type": "string"}, str),
    bytes: _instance(_BYTES, bytes),
    bytearray: Kind(_BYTES, _check_bytearray, "bytes"),
    decimal.Decimal: Kind({"type": "string", "format": "decimal"}, _check_decimal, "Decimal"),
    uuid.UUID: _text("uuid", uuid.UUID),
    datetime.datetime: _text("date-time", datetime.datetime),
    datetime.date: _text("date", datetime.date, refused=(datetime.datetime,)),
    datetime.time: _text("time", datetime.time),
    datetime.timedelta: _text("duration", datetime.timedelta),
}


def _checked(kind: Kind, value: Any, step: object) -> Any:
    try:
        return kind.check(value)
    except MismatchError as error:
        error.trail.append(step)
        raise


def _items(kind: Kind, values: Any) -> list[Any]:
    return [_checked(kind, value, index) for index, value in enumerate(values)]


def list_of(item: Kind, *accepted: type[Any]) -> Kind:
    """Returns the kind of a list; what else is accepted stays what it is."""
    schema: JsonSchema = {"type": "array", "items": item.schema} if item.schema else {"type": "array"}

    def check(value: Any) -> Any:
        if not isinstance(value, (list, *accepted)):
            raise mismatch("list", value)
        if item is ANY:
            return value
        items = _items(item, value)
        return tuple(items) if isinstance(value, tuple) else items

    return Kind(schema, check, "list")


def set_of(item: Kind, target: type[Any]) -> Kind:
    """Returns the kind of a `set` or `frozenset`, which a list can give as well."""
    label = target.__name__
    schema: JsonSchema = {"type": "array", "uniqueItems": True}
    if item.schema:
        schema["items"] = item.schema

    def check(value: Any) -> Any:
        if not isinstance(value, (set, frozenset, list)):
            raise mismatch(label, value)
        items = _items(item, value)
        try:
            return target(items)
        except TypeError:
            raise MismatchError(f"must be {label}, got {shortened(value)} with an unhashable item") from None

    return Kind(schema, check, label)


def tuple_of_any_length(item: Kind) -> Kind:
    """Returns the kind of a tuple with items of one kind, which a list can give as well."""
    items = list_of(item, tuple)

    def check(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise mismatch("tuple", value)
        return tuple(items.check(value))

    return Kind(items.schema, check, "tuple")


def tuple_of(kinds: list[Kind]) -> Kind:
    """Returns the kind of a tuple of one length, which a list can give as well."""
    schema: JsonSchema = {"type": "array", "minItems": len(kinds), "maxItems": len(kinds)}
    if kinds:
        schema["prefixItems"] = [kind.schema for kind in kinds]

    def check(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise mismatch("tuple", value)
        if len(value) != len(kinds):
            raise MismatchError(f"must have {len(kinds)} items, got {len(value)}")
        return tuple(_checked(kind, value[index], index) for index, kind in enumerate(kinds))

    return Kind(schema, check, "tuple")


def dict_of(key: Kind, item: Kind, target: Any) -> Kind:
    """Returns the kind of a dict, handed to the tool as a `target`."""
    schema: JsonSchema = {"type": "object"}
    if item.schema:
        schema["additionalProperties"] = item.schema

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise mismatch("dict", value)
        checked = {}
        for name, member in value.items():
            try:
                checked_name = key.check(name)
            except MismatchError as error:
                raise MismatchError(f"has a key that {error.text}") from None
            checked[checked_name] = _checked(item, member, name)
        return collections.OrderedDict(checked) if target is collections.OrderedDict else checked

    return Kind(schema, check, "dict")


def union_of(kinds: list[Kind]) -> Kind:
    """Returns the kind of a value that the first kind which accepts it converts."""
    if ANY in kinds:
        return ANY
    if len(kinds) == 1:
        return kinds[0]
    label = " or ".join(dict.fromkeys(kind.label for kind in kinds))

    def check(value: Any) -> Any:
        # A fault inside the value tells more than that the value itself is none of all these.
        deepest: MismatchError | None = None
        for kind in kinds:
            try:
                return kind.check(value)
            except MismatchError as error:
                if len(error.trail) > (len(deepest.trail) if deepest else 0):
                    deepest = error
        raise deepest or mismatch(label, value)

    return Kind({"anyOf": [kind.schema for kind in kinds]}, check, label)


def object_of(label: str, fields: dict[str, Field], make: Callable[..., Any] | None) -> Kind:
    """Returns the kind of a dict with known keys, which `make` turns into an object."""
    schema: JsonSchema = {
        "type": "object",
        "properties": {name: field.schema for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.is_required],
        "additionalProperties": False,
    }
    known = f"{label} takes {', '.join(fields) or 'none'}"

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            if isinstance(make, type) and isinstance(value, make):
                return value
            raise mismatch(f"dict for {label}", value)
        for name in value:
            if name not in fields:
                raise MismatchError(f"has the unknown key {shortened(name)}; {known}")
        for name, field in fields.items():
            if field.is_required and name not in value:
                raise MismatchError(f"lacks the key {name!r}; {known}")
        checked = {name: _checked(fields[name].kind, member, name) for name, member in value.items()}
        return checked if make is None else made(lambda: make(**checked), label)

    return Kind(schema, check, label)


def made(make: Callable[[], Any], label: str) -> Any:
    """Returns what the caller's own class makes of a value. The class may check it and raise what it likes."""
    try:
        return make()
    except Exception as error:
        raise MismatchError(f"cannot be a {label}: {type(error).__name__}: {first_line(error)}") from error


def validated(validate: Check, value: Any, label: str) -> Any:
    """Returns what pydantic makes of a value; the first of its errors becomes ours."""
    try:
        return validate(value)
    except Exception as error:
        try:
            first = error.errors(include_url=False, include_context=False)[0]  # type: ignore[attr-defined]
            trail, message = list(reversed(first["loc"])), str(first["msg"])[:_MAX_MESSAGE_CHARS]
        except Exception:  # A validator of the model raised something of its own.
            raise MismatchError(
                f"cannot be a {label}: {type(error).__name__}: {first_line(error)}"
            ) from error
        raise MismatchError(f"is refused by {label}: {message}", trail) from error


def one_of(label: str, choices: list[tuple[Any, Any]]) -> Kind:
    """Returns the kind of one of some values. Choices are pairs: the value that crosses, and what the tool gets."""
    schema: JsonSchema = {}
    try:
        schema["enum"] = [json_value(value) for value, _ in choices]
    except (TypeError, ValueError):
        schema = {}  # Values such as bytes can cross, but JSON has no form for them.
    if schema and all(isinstance(value, str) for value in schema["enum"]):
        schema = {"type": "string", **schema}

    def check(value: Any) -> Any:
        for choice, result in choices:
            if type(choice) is type(value) and choice == value:
                return result
        raise mismatch(label, value)

    return Kind(schema, check, label)


def literal(members: Iterable[Any]) -> Kind:
    """Returns the kind of a `Literal`."""
    choices = [(_crossing(member), member) for member in members]
    return one_of(" or ".join(repr(value) for value, _ in choices)[:_MAX_MESSAGE_CHARS], choices)


def enum_of(target: Any) -> Kind:
    """Returns the kind of the value of an `Enum`, which becomes the member."""
    if issubclass(target, enum.Flag):
        integer = SCALARS[int]

        def check(value: Any) -> Any:
            number = integer.check(value)
            return made(lambda: target(number), target.__name__)

        return Kind(integer.schema, check, target.__name__)
    choices = [(_crossing(member), member) for member in target]
    return one_of(" or ".join(repr(value) for value, _ in choices)[:_MAX_MESSAGE_CHARS], choices)


def _crossing(value: Any) -> Any:
    """Returns a value as it comes from the guest: of a plain type."""
    if isinstance(value, enum.Enum):
        value = value.value
    plain: tuple[type[Any], ...] = (bool, int, float, str, bytes)
    return next((base(value) for base in plain if isinstance(value, base)), value)


def json_value(value: object) -> object:
    """Returns a value as it stands in a JSON schema. Raises TypeError or ValueError where JSON has no form for it."""
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, tuple) or (isinstance(value, float) and not math.isfinite(value)):
        raise TypeError(value)
    return json.loads(json.dumps(value, allow_nan=False))
