"""Type annotations of tool parameters: what each allows, as a JSON schema and as a check that also converts.

Guarantees: an annotation is understood in full or refused when the tool is made; a check never changes the value that
it is given. Never: calls a tool, nor imports pydantic by itself.

Before: _tools. After: the standard library, and pydantic where the caller has imported it.
"""

import collections
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import json
import math
import sys
import types
import typing
import uuid
from collections.abc import Callable, Iterable
from typing import Any

JsonSchema = dict[str, Any]
Check = Callable[[Any], Any]

_MAX_REPR_CHARS = 60
_MAX_MESSAGE_CHARS = 400


class UnsupportedTypeError(Exception):
    """An annotation that no value from the guest can satisfy, or that cannot be checked."""


class MismatchError(Exception):
    """A value that is not of the type.

    Attributes:
        trail: Keys and indexes from the value of the error outwards.
        text: What is wrong, such as `must be int, got str 'x'`.
    """

    def __init__(self, text: str, trail: Iterable[object] = ()) -> None:
        super().__init__(text)
        self.text = text
        self.trail = list(trail)


@dataclasses.dataclass(frozen=True)
class Kind:
    """What an annotation allows.

    Attributes:
        schema: Its JSON schema.
        check: Returns the value to hand to the tool, or raises `MismatchError`.
        label: Its name in error messages.
    """

    schema: JsonSchema
    check: Check
    label: str


def shortened(value: object) -> str:
    """Returns the type and the start of the repr of a value, for an error message."""
    if value is None:
        return "None"
    name = type(value).__name__
    try:
        if isinstance(value, (str, bytes)):
            text = repr(value[: _MAX_REPR_CHARS + 1])
        elif isinstance(value, (list, tuple, set, frozenset, dict)):
            return f"{name} of {len(value)}"
        else:
            text = repr(value)
    except Exception:  # An int may have too many digits for a repr.
        return name
    if len(text) > _MAX_REPR_CHARS:
        text = text[:_MAX_REPR_CHARS] + "..."
    return f"{name} {text}"


def _mismatch(label: str, value: object) -> MismatchError:
    return MismatchError(f"must be {label}, got {shortened(value)}")


def _of_type(label: str, schema: JsonSchema, *accepted: type, refused: tuple[type, ...] = ()) -> Kind:
    def check(value: Any) -> Any:
        if isinstance(value, accepted) and not isinstance(value, refused):
            return value
        raise _mismatch(label, value)

    return Kind(schema, check, label)


def _check_float(value: Any) -> Any:
    if isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise MismatchError("must be float, got an int that is too large for one") from None
    raise _mismatch("float", value)


def _check_decimal(value: Any) -> Any:
    if isinstance(value, decimal.Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return decimal.Decimal(value)
    raise _mismatch("Decimal", value)


def _check_bytearray(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return bytearray(value)
    raise _mismatch("bytes", value)


def _check_none(value: Any) -> Any:
    if value is not None:
        raise _mismatch("None", value)


def _text_kind(format_name: str, kind: type, *, refused: tuple[type, ...] = ()) -> Kind:
    return _of_type(kind.__name__, {"type": "string", "format": format_name}, kind, refused=refused)


_ANY = Kind({}, lambda value: value, "anything")
_NONE = Kind({"type": "null"}, _check_none, "None")
_BYTES_SCHEMA: JsonSchema = {"type": "string", "contentEncoding": "base64"}
_SCALARS: dict[object, Kind] = {
    Any: _ANY,
    object: _ANY,
    None: _NONE,
    type(None): _NONE,
    bool: _of_type("bool", {"type": "boolean"}, bool),
    int: _of_type("int", {"type": "integer"}, int, refused=(bool,)),
    float: Kind({"type": "number"}, _check_float, "float"),
    str: _of_type("str", {"type": "string"}, str),
    bytes: _of_type("bytes", _BYTES_SCHEMA, bytes),
    bytearray: Kind(_BYTES_SCHEMA, _check_bytearray, "bytes"),
    decimal.Decimal: Kind({"type": "string", "format": "decimal"}, _check_decimal, "Decimal"),
    uuid.UUID: _text_kind("uuid", uuid.UUID),
    datetime.datetime: _text_kind("date-time", datetime.datetime),
    datetime.date: _text_kind("date", datetime.date, refused=(datetime.datetime,)),
    datetime.time: _text_kind("time", datetime.time),
    datetime.timedelta: _text_kind("duration", datetime.timedelta),
}

_LISTS = {list, collections.abc.MutableSequence}
_SEQUENCES = {collections.abc.Sequence, collections.abc.Collection, collections.abc.Iterable}
_SETS = {set: set, collections.abc.MutableSet: set, frozenset: frozenset, collections.abc.Set: frozenset}
_DICTS = {dict, collections.abc.Mapping, collections.abc.MutableMapping, collections.OrderedDict}


def _items(kind: Kind, values: Iterable[Any]) -> list[Any]:
    checked = []
    for index, value in enumerate(values):
        try:
            checked.append(kind.check(value))
        except MismatchError as error:
            error.trail.append(index)
            raise
    return checked


def json_value(value: object) -> object:
    """Returns a value as it stands in a JSON schema. Raises `ValueError` or `TypeError` where it has no such form."""
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(value)
    if isinstance(value, tuple):
        raise TypeError(value)
    return json.loads(json.dumps(value, allow_nan=False))


def type_name(annotation: object) -> str:
    """Returns how an annotation is written."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__name__
    return str(annotation).replace("typing.", "")


def _is_typed_dict(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, dict) and hasattr(annotation, "__required_keys__")


def _form_name(annotation: object) -> str:
    # typing_extensions has its own Required and so on, under the same names.
    return str(getattr(typing.get_origin(annotation), "_name", None) or "")


@dataclasses.dataclass(frozen=True)
class _Field:
    kind: Kind
    is_required: bool
    schema: JsonSchema


class Compiler:
    """Compiles the annotations of one tool.

    Attributes:
        definitions: Schemas of the dataclasses, models and other named types met so far: the `$defs`.
    """

    def __init__(self) -> None:
        self.definitions: dict[str, JsonSchema] = {}
        self._named: dict[object, Kind] = {}

    def kind(self, annotation: Any) -> Kind:
        """Returns what an annotation allows. Raises `UnsupportedTypeError`."""
        try:
            scalar = _SCALARS.get(annotation)
        except TypeError:  # Not hashable, so no type.
            scalar = None
        if scalar is not None:
            return scalar
        origin = typing.get_origin(annotation)
        arguments = typing.get_args(annotation)
        if origin is typing.Annotated:
            return self._annotated(annotation, arguments)
        if origin is typing.Union or origin is types.UnionType:
            return self._union(arguments)
        if _form_name(annotation) == "Literal" or origin is typing.Literal:
            return _literal(arguments)
        if isinstance(annotation, typing.TypeVar):
            bound = annotation.__bound__
            return self._union(annotation.__constraints__) if annotation.__constraints__ else self.kind(bound or Any)
        if type(annotation).__name__ == "TypeAliasType":
            alias = annotation
            return self._deferred(alias, alias.__name__, lambda: self.kind(alias.__value__))
        if hasattr(annotation, "__supertype__"):  # NewType
            return self.kind(annotation.__supertype__)
        return self._container(origin or annotation, arguments) or self._class(annotation)

    def _annotated(self, annotation: Any, arguments: tuple[Any, ...]) -> Kind:
        inner = self.kind(arguments[0])
        pydantic = sys.modules.get("pydantic")
        areas = {type(extra).__module__.partition(".")[0] for extra in arguments[1:]}
        if pydantic is None or not areas & {"pydantic", "annotated_types"}:
            return inner
        # The adapter adds its constraints to our stricter check of types.
        adapter = pydantic.TypeAdapter(annotation)
        schema = {**adapter.json_schema(), **inner.schema} if "$ref" not in inner.schema else inner.schema

        def check(value: Any) -> Any:
            return _validated(adapter.validate_python, inner.check(value), inner.label)

        return Kind(schema, check, inner.label)

    def _union(self, members: tuple[Any, ...]) -> Kind:
        kinds = [self.kind(member) for member in members]
        label = " or ".join(dict.fromkeys(kind.label for kind in kinds))
        if any(kind is _ANY for kind in kinds):
            return _ANY

        def check(value: Any) -> Any:
            deepest = None
            for kind in kinds:
                try:
                    return kind.check(value)
                except MismatchError as error:
                    if error.trail and (deepest is None or len(error.trail) > len(deepest.trail)):
                        deepest = error
            raise deepest or _mismatch(label, value)

        return Kind({"anyOf": [kind.schema for kind in kinds]}, check, label)

    def _container(self, origin: Any, arguments: tuple[Any, ...]) -> Kind | None:
        try:
            hash(origin)
        except TypeError:
            return None
        if origin in _LISTS or origin in _SEQUENCES:
            return self._list(arguments, accepted=(list,) if origin in _LISTS else (list, tuple))
        if origin in _SETS:
            return self._set(arguments, _SETS[origin])
        if origin is tuple:
            return self._tuple(arguments)
        if origin in _DICTS:
            return self._dict(arguments, origin)
        return None

    def _list(self, arguments: tuple[Any, ...], accepted: tuple[type, ...]) -> Kind:
        item = self.kind(arguments[0]) if arguments else _ANY
        schema: JsonSchema = {"type": "array", "items": item.schema} if item.schema else {"type": "array"}

        def check(value: Any) -> Any:
            if not isinstance(value, accepted):
                raise _mismatch("list", value)
            return value if item is _ANY else _items(item, value)

        return Kind(schema, check, "list")

    def _set(self, arguments: tuple[Any, ...], target: type) -> Kind:
        item = self.kind(arguments[0]) if arguments else _ANY
        schema: JsonSchema = {"type": "array", "uniqueItems": True}
        if item.schema:
            schema["items"] = item.schema

        def check(value: Any) -> Any:
            if not isinstance(value, (set, frozenset, list)):
                raise _mismatch(target.__name__, value)
            try:
                return target(_items(item, value))
            except TypeError:
                raise MismatchError(f"must be {target.__name__}, got a list with an unhashable item") from None

        return Kind(schema, check, target.__name__)

    def _tuple(self, arguments: tuple[Any, ...]) -> Kind:
        if not arguments or (len(arguments) == 2 and arguments[1] is Ellipsis):
            items = self._list(arguments[:1], accepted=(list, tuple))

            def check_any_length(value: Any) -> Any:
                if not isinstance(value, (list, tuple)):
                    raise _mismatch("tuple", value)
                return tuple(items.check(value))

            return Kind(items.schema, check_any_length, "tuple")
        kinds = [self.kind(argument) for argument in arguments if argument != ()]
        schema: JsonSchema = {"type": "array", "minItems": len(kinds), "maxItems": len(kinds)}
        if kinds:
            schema["prefixItems"] = [kind.schema for kind in kinds]

        def check(value: Any) -> Any:
            if not isinstance(value, (list, tuple)):
                raise _mismatch("tuple", value)
            if len(value) != len(kinds):
                raise MismatchError(f"must have {len(kinds)} items, got {len(value)}")
            return tuple(_items_of(kinds, value))

        return Kind(schema, check, "tuple")

    def _dict(self, arguments: tuple[Any, ...], origin: Any) -> Kind:
        key, item = (self.kind(arguments[0]), self.kind(arguments[1])) if arguments else (_ANY, _ANY)
        schema: JsonSchema = {"type": "object"}
        if item.schema:
            schema["additionalProperties"] = item.schema

        def check(value: Any) -> Any:
            if not isinstance(value, dict):
                raise _mismatch("dict", value)
            checked = {}
            for name, member in value.items():
                try:
                    name_checked = key.check(name)
                except MismatchError as error:
                    raise MismatchError(f"has a key that {error.text}") from None
                try:
                    checked[name_checked] = item.check(member)
                except MismatchError as error:
                    error.trail.append(name)
                    raise
            return collections.OrderedDict(checked) if origin is collections.OrderedDict else checked

        return Kind(schema, check, "dict")

    def _class(self, annotation: Any) -> Kind:
        """Compiles a class that has a name of its own, or refuses it."""
        target = typing.get_origin(annotation) or annotation
        if not isinstance(target, type):
            raise UnsupportedTypeError(f"{type_name(annotation)} is no type that can be checked")
        pydantic = sys.modules.get("pydantic")
        if pydantic is not None and isinstance(annotation, type) and issubclass(target, pydantic.BaseModel):
            return self._deferred(annotation, target.__name__, lambda: self._model(annotation))
        if issubclass(target, enum.Enum):
            return self._deferred(target, target.__name__, lambda: _enum(target))
        if dataclasses.is_dataclass(target):
            return self._deferred(target, target.__name__, lambda: self._dataclass(target))
        if _is_typed_dict(target):
            return self._deferred(target, target.__name__, lambda: self._typed_dict(target))
        if issubclass(target, tuple) and hasattr(target, "_fields"):
            return self._deferred(target, target.__name__, lambda: self._named_tuple(target))
        raise UnsupportedTypeError(f"no value from the guest can be a {type_name(annotation)}")

    def _deferred(self, key: Any, name: str, build: Callable[[], Kind]) -> Kind:
        """Compiles a named type once, also where it contains itself."""
        known = self._named.get(key)
        if known is not None:
            return known
        unique = name
        while unique in self.definitions:
            unique += "_"
        self.definitions[unique] = {}
        built: list[Kind] = []
        kind = Kind({"$ref": f"#/$defs/{unique}"}, lambda value: built[0].check(value), name)
        self._named[key] = kind
        built.append(build())
        self.definitions[unique].update(built[0].schema)
        return kind

    def _model(self, model: Any) -> Kind:
        prefix = f"{model.__name__}."
        try:
            schema = dict(model.model_json_schema(ref_template=f"#/$defs/{prefix}{{model}}"))
        except Exception as error:
            raise UnsupportedTypeError(f"pydantic has no JSON schema of {model.__name__}: {_first_line(error)}") from error
        for name, definition in schema.pop("$defs", {}).items():
            self.definitions[prefix + name] = definition
        return Kind(schema, lambda value: _validated(model.model_validate, value, model.__name__), model.__name__)

    def _dataclass(self, target: Any) -> Kind:
        hints = resolved_hints(target)
        fields = {}
        for field in dataclasses.fields(target):
            if field.init:
                default = field.default
                is_required = default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
                fields[field.name] = self._field(hints.get(field.name, Any), is_required, default)
        # Pseudo-fields that only __init__ sees.
        for name, hint in hints.items():
            if isinstance(hint, dataclasses.InitVar):
                default = getattr(target, name, dataclasses.MISSING)
                fields[name] = self._field(hint.type, default is dataclasses.MISSING, default)
        return _object(target.__name__, fields, target)

    def _named_tuple(self, target: Any) -> Kind:
        hints = resolved_hints(target)
        defaults = target._field_defaults
        fields = {
            name: self._field(hints.get(name, Any), name not in defaults, defaults.get(name, dataclasses.MISSING))
            for name in target._fields
        }
        by_name = _object(target.__name__, fields, None)

        def check(value: Any) -> Any:
            if isinstance(value, (list, tuple)):
                if len(value) > len(fields):
                    raise MismatchError(f"must have {len(fields)} items, got {len(value)}")
                value = dict(zip(fields, value, strict=False))
            return target(**by_name.check(value))

        return Kind(by_name.schema, check, target.__name__)

    def _typed_dict(self, target: Any) -> Kind:
        fields = {}
        for name, hint in resolved_hints(target).items():
            is_required = name in target.__required_keys__
            # Under postponed evaluation the class itself does not know; the hint does.
            while (form := _form_name(hint)) in ("Required", "NotRequired", "ReadOnly"):
                is_required = form == "Required" if form != "ReadOnly" else is_required
                hint = typing.get_args(hint)[0]
            fields[name] = self._field(hint, is_required)
        return _object(target.__name__, fields, None)

    def _field(self, hint: Any, is_required: bool, default: object = dataclasses.MISSING) -> _Field:
        kind = self.kind(hint)
        return _Field(kind, is_required, described(kind.schema, description_of(hint), default))


def _items_of(kinds: list[Kind], values: Iterable[Any]) -> list[Any]:
    checked = []
    for index, (kind, value) in enumerate(zip(kinds, values, strict=True)):
        try:
            checked.append(kind.check(value))
        except MismatchError as error:
            error.trail.append(index)
            raise
    return checked


def _object(label: str, fields: dict[str, _Field], make: Callable[..., Any] | None) -> Kind:
    """Returns the kind of a dict with known keys, which `make` turns into an object."""
    schema: JsonSchema = {
        "type": "object",
        "properties": {name: field.schema for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.is_required],
        "additionalProperties": False,
    }
    known = ", ".join(fields) or "nothing"

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            if isinstance(make, type) and isinstance(value, make):
                return value
            raise _mismatch(f"dict for {label}" if make else label, value)
        for name in value:
            if name not in fields:
                raise MismatchError(f"has the unknown key {shortened(name)}; {label} takes {known}")
        checked = {}
        for name, field in fields.items():
            if name in value:
                try:
                    checked[name] = field.kind.check(value[name])
                except MismatchError as error:
                    error.trail.append(name)
                    raise
            elif field.is_required:
                raise MismatchError(f"lacks the key {name!r}; {label} takes {known}")
        return checked if make is None else _made(make, checked, label)

    return Kind(schema, check, label)


def _made(make: Callable[..., Any], fields: dict[str, Any], label: str) -> Any:
    try:
        return make(**fields)
    except Exception as error:  # The class may check its values and raise what it likes.
        raise MismatchError(f"cannot be a {label}: {type(error).__name__}: {_first_line(error)}") from error


def _validated(validate: Check, value: Any, label: str) -> Any:
    """Lets pydantic check a value; its first error becomes ours."""
    try:
        return validate(value)
    except Exception as error:
        try:
            first = error.errors(include_url=False, include_context=False)[0]  # type: ignore[attr-defined]
        except Exception:  # A validator of the model raised something of its own.
            raise MismatchError(f"cannot be a {label}: {type(error).__name__}: {_first_line(error)}") from error
        trail = [step for step in reversed(first["loc"]) if isinstance(step, (str, int))]
        raise MismatchError(f"is refused: {str(first['msg'])[:_MAX_MESSAGE_CHARS]}", trail) from error


def _first_line(error: BaseException) -> str:
    try:
        return (str(error).splitlines() or [""])[0][:_MAX_MESSAGE_CHARS]
    except Exception:
        return "<exception str() failed>"


def _choices(label: str, choices: list[tuple[Any, Any]]) -> Kind:
    """Returns the kind of one of some values. `choices` are pairs: the value that crosses, and what the tool gets."""
    schema: JsonSchema = {}
    try:
        schema["enum"] = [json_value(value) for value, _ in choices]
    except (TypeError, ValueError):
        pass  # Values such as bytes cross, but have no place in JSON.
    else:
        if all(isinstance(value, str) for value in schema["enum"]):
            schema = {"type": "string", **schema}

    def check(value: Any) -> Any:
        for choice, result in choices:
            if type(choice) is type(value) and choice == value:
                return result
        raise _mismatch(label, value)

    return Kind(schema, check, label)


def _literal(members: tuple[Any, ...]) -> Kind:
    pairs = [(member.value if isinstance(member, enum.Enum) else member, member) for member in members]
    return _choices(" or ".join(repr(value) for value, _ in pairs), pairs)


def _enum(target: Any) -> Kind:
    members = [(_plain(member.value), member) for member in target]
    label = f"a value of {target.__name__} ({' or '.join(repr(value) for value, _ in members)})"
    by_value = _choices(label[:_MAX_MESSAGE_CHARS], members)
    is_flag = issubclass(target, enum.Flag)

    def check(value: Any) -> Any:
        if isinstance(value, target):
            return value
        if is_flag and type(value) is int:
            try:
                return target(value)
            except ValueError:
                raise _mismatch(by_value.label, value) from None
        return by_value.check(value)

    return Kind({"type": "integer"} if is_flag else by_value.schema, check, target.__name__)


def _plain(value: Any) -> Any:
    """Returns the value as it comes from the guest, where a subclass of a plain type is that type."""
    for base in (int, float, str, bytes):
        if isinstance(value, base) and not isinstance(value, bool):
            return value if type(value) is base else base(value)
    return value


def resolved_hints(target: Any) -> dict[str, Any]:
    """Returns the annotations of a class with names resolved. Raises `UnsupportedTypeError` naming the class."""
    try:
        return typing.get_type_hints(target, include_extras=True)
    except Exception as error:
        raise UnsupportedTypeError(
            f"an annotation of {target.__name__} cannot be resolved: {type(error).__name__}: {_first_line(error)}"
        ) from error


def description_of(annotation: Any) -> str | None:
    """Returns the description in the metadata of an `Annotated`: a str, or what carries one."""
    if typing.get_origin(annotation) is not typing.Annotated:
        return None
    for extra in annotation.__metadata__:
        text = extra if isinstance(extra, str) else getattr(extra, "documentation", None)
        text = text or getattr(extra, "description", None)
        if isinstance(text, str):
            return text
    return None


def described(schema: JsonSchema, description: str | None, default: object = dataclasses.MISSING) -> JsonSchema:
    """Returns a schema with a description and, where JSON can say it, a default."""
    described = dict(schema)
    if description:
        described["description"] = description
    if default is not dataclasses.MISSING:
        try:
            described["default"] = json_value(default)
        except (TypeError, ValueError, RecursionError):
            pass  # The tool has it all the same.
    return described
