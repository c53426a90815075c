"""Annotations of tool parameters: what each means to a model and to the check of an argument.

Guarantees: an annotation is understood in full, or refused when the tool is made. Never: imports pydantic by itself.

Before: _tools. After: _kinds.
"""

from __future__ import annotations

import collections
import collections.abc
import contextlib
import dataclasses
import enum
import sys
import types
import typing
from collections.abc import Callable
from typing import Any

from ._kinds import (
    ANY,
    SCALARS,
    Field,
    JsonSchema,
    Kind,
    MismatchError,
    dict_of,
    enum_of,
    first_line,
    json_value,
    list_of,
    literal,
    object_of,
    set_of,
    tuple_of,
    tuple_of_any_length,
    union_of,
    validated,
)

_LISTS = (list, collections.abc.MutableSequence)
_SEQUENCES = (collections.abc.Sequence, collections.abc.Collection, collections.abc.Iterable)
_SETS = {set: set, collections.abc.MutableSet: set, frozenset: frozenset, collections.abc.Set: frozenset}
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping, collections.OrderedDict)


class UnsupportedTypeError(Exception):
    """An annotation that no value from the guest can satisfy, or that cannot be checked."""


class Compiler:
    """Compiles the annotations of one tool.

    Attributes:
        definitions: Schemas of the types met so far that have a name: the `$defs`.
    """

    def __init__(self) -> None:
        self.definitions: dict[str, JsonSchema] = {}
        self._named: dict[object, Kind] = {}

    def kind(self, annotation: Any) -> Kind:
        """Returns what an annotation means.

        Raises:
            UnsupportedTypeError: It cannot be the type of an argument.
        """
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        # What has arguments is no scalar, and may have no hash because of its metadata.
        if origin is None:
            try:
                scalar = SCALARS.get(annotation)
            except TypeError as error:
                raise UnsupportedTypeError(
                    f"{type_name(annotation)} is no type that can be checked"
                ) from error
            if scalar is not None:
                return scalar
        if origin is typing.Annotated:
            return self._annotated(annotation, arguments)
        if origin is typing.Union or origin is types.UnionType:
            return union_of([self.kind(member) for member in arguments])
        if form_name(annotation) == "Literal" or origin is typing.Literal:
            return literal(arguments)
        if isinstance(annotation, typing.TypeVar):
            members = annotation.__constraints__ or (annotation.__bound__ or Any,)
            return union_of([self.kind(member) for member in members])
        if type(annotation).__name__ == "TypeAliasType":
            return self._named_kind(annotation, annotation.__name__, lambda: self.kind(annotation.__value__))
        if hasattr(annotation, "__supertype__"):  # NewType
            return self.kind(annotation.__supertype__)
        return self._container(origin or annotation, arguments) or self._class(annotation)

    def field(self, hint: Any, default: object = dataclasses.MISSING, *, is_required: bool) -> Field:
        """Returns the field with an annotation and a default."""
        kind = self.kind(hint)
        return Field(kind, is_required, with_description(kind.schema, description_of(hint), default))

    def _annotated(self, annotation: Any, arguments: tuple[Any, ...]) -> Kind:
        inner = self.kind(arguments[0])
        pydantic = sys.modules.get("pydantic")
        sources = {type(extra).__module__.partition(".")[0] for extra in arguments[1:]}
        if pydantic is None or not sources & {"pydantic", "annotated_types"}:
            return inner
        # Our check of the type is the stricter one; pydantic adds what the metadata asks for, such as a range.
        adapter = pydantic.TypeAdapter(annotation)
        schema = inner.schema
        if "$ref" not in schema:
            with contextlib.suppress(Exception):
                schema = {**schema, **adapter.json_schema()}
                if "$defs" in schema:
                    schema = inner.schema

        def check(value: Any) -> Any:
            return validated(adapter.validate_python, inner.check(value), inner.label)

        return Kind(schema, check, inner.label)

    def _container(self, origin: Any, arguments: tuple[Any, ...]) -> Kind | None:
        if origin in _LISTS:
            return list_of(self._item(arguments))
        if origin in _SEQUENCES:
            return list_of(self._item(arguments), tuple)
        if origin in _SETS:
            return set_of(self._item(arguments), _SETS[origin])
        if origin is tuple:
            if not arguments or arguments[1:] == (Ellipsis,):
                return tuple_of_any_length(self._item(arguments))
            return tuple_of([self.kind(argument) for argument in arguments if argument != ()])
        if origin in _DICTS:
            key, item = arguments or (Any, Any)
            return dict_of(self.kind(key), self.kind(item), origin)
        return None

    def _item(self, arguments: tuple[Any, ...]) -> Kind:
        return self.kind(arguments[0]) if arguments else ANY

    def _class(self, annotation: Any) -> Kind:
        target = typing.get_origin(annotation) or annotation
        if not isinstance(target, type):
            raise UnsupportedTypeError(f"{type_name(annotation)} is no type that can be checked")
        build: Callable[[], Kind]
        pydantic = sys.modules.get("pydantic")
        if pydantic is not None and issubclass(target, pydantic.BaseModel):
            build = lambda: self._model(target)  # noqa: E731
        elif issubclass(target, enum.Enum):
            build = lambda: enum_of(target)  # noqa: E731
        elif dataclasses.is_dataclass(target):
            build = lambda: self._dataclass(target)  # noqa: E731
        elif issubclass(target, dict) and hasattr(target, "__required_keys__"):
            build = lambda: self._typed_dict(target)  # noqa: E731
        elif issubclass(target, tuple) and hasattr(target, "_fields"):
            build = lambda: self._named_tuple(target)  # noqa: E731
        else:
            raise UnsupportedTypeError(f"no value from the guest can be a {type_name(annotation)}")
        return self._named_kind(target, target.__name__, build)

    def _named_kind(self, key: Any, name: str, build: Callable[[], Kind]) -> Kind:
        """Compiles a type that has a name once, also where it contains itself."""
        if key in self._named:
            return self._named[key]
        while name in self.definitions:
            name += "_"
        definition = self.definitions.setdefault(name, {})
        built: list[Kind] = []
        kind = Kind({"$ref": f"#/$defs/{name}"}, lambda value: built[0].check(value), name)
        self._named[key] = kind
        built.append(build())
        definition.update(built[0].schema)
        return kind

    def _model(self, model: Any) -> Kind:
        label = model.__name__
        try:
            schema = dict(model.model_json_schema(ref_template=f"#/$defs/{label}.{{model}}"))
        except Exception as error:
            raise UnsupportedTypeError(
                f"pydantic has no JSON schema of {label}: {first_line(error)}"
            ) from error
        for name, definition in schema.pop("$defs", {}).items():
            self.definitions[f"{label}.{name}"] = definition
        return Kind(schema, lambda value: validated(model.model_validate, value, label), label)

    def _dataclass(self, target: Any) -> Kind:
        hints = _hints(target)
        fields = {}
        for field in dataclasses.fields(target):
            if field.init:
                default = field.default
                is_required = default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
                fields[field.name] = self.field(hints.get(field.name, Any), default, is_required=is_required)
        for name, hint in hints.items():
            if isinstance(hint, dataclasses.InitVar):
                default = getattr(target, name, dataclasses.MISSING)
                fields[name] = self.field(hint.type, default, is_required=default is dataclasses.MISSING)
        return object_of(target.__name__, fields, target)

    def _typed_dict(self, target: Any) -> Kind:
        fields = {}
        for name, hint in _hints(target).items():
            is_required = name in target.__required_keys__
            # With annotations left as text the class does not know these marks.
            while (form := form_name(hint)) in ("Required", "NotRequired", "ReadOnly"):
                is_required = is_required if form == "ReadOnly" else form == "Required"
                (hint,) = typing.get_args(hint)
            fields[name] = self.field(hint, is_required=is_required)
        return object_of(target.__name__, fields, None)

    def _named_tuple(self, target: Any) -> Kind:
        hints, defaults = _hints(target), target._field_defaults
        fields = {
            name: self.field(
                hints.get(name, Any),
                defaults.get(name, dataclasses.MISSING),
                is_required=name not in defaults,
            )
            for name in target._fields
        }
        by_name = object_of(target.__name__, fields, lambda **values: target(**values))

        def check(value: Any) -> Any:
            if isinstance(value, (list, tuple)):
                if len(value) > len(fields):
                    raise MismatchError(f"must have {len(fields)} items, got {len(value)}")
                value = dict(zip(fields, value, strict=False))
            return by_name.check(value)

        return Kind(by_name.schema, check, target.__name__)


def type_name(annotation: object) -> str:
    """Returns how an annotation is written."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__name__
    return str(annotation).replace("typing.", "")


def form_name(annotation: object) -> str:
    """Returns the name of a special form, such as `Required`. typing_extensions has its own under the same names."""
    return str(getattr(typing.get_origin(annotation), "_name", None) or "")


def description_of(annotation: Any) -> str | None:
    """Returns the description in the metadata of an `Annotated`: a text, or what carries one."""
    if typing.get_origin(annotation) is typing.Annotated:
        for extra in annotation.__metadata__:
            for text in (extra, getattr(extra, "documentation", None), getattr(extra, "description", None)):
                if isinstance(text, str):
                    return text
    return None


def with_description(
    schema: JsonSchema, description: str | None, default: object = dataclasses.MISSING
) -> JsonSchema:
    """Returns a schema with a description, and a default where JSON has a form for it."""
    described = dict(schema)
    if description:
        described["description"] = description
    if default is not dataclasses.MISSING:
        with contextlib.suppress(TypeError, ValueError, RecursionError):
            described["default"] = json_value(default)
    return described


def _hints(target: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(target, include_extras=True)
    except Exception as error:
        raise UnsupportedTypeError(
            f"an annotation of {target.__name__} cannot be resolved: {type(error).__name__}: {first_line(error)}"
        ) from error
