"""JSON schemas as a model reads them best: as the signature of a Python function.

Before: `_instructions`. After: nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ._tools import CodeActTool

_SCALARS = {"integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_FORMATS = {
    "date-time": "datetime",
    "date": "date",
    "time": "time",
    "duration": "timedelta",
    "uuid": "UUID",
    "decimal": "Decimal",
}
_REFERENCE = "#/$defs/"
# Schemas may contain themselves without a name, or be made to be long.
_MAX_DEPTH = 8
_MAX_DEFAULT_CHARS = 60


def signature_of(tool: CodeActTool) -> str:
    """Returns a tool as `name(key: type, other: type = default) -> type`."""
    schema = tool.schema
    required = schema.get("required", [])
    parameters = [
        _parameter(name, of, is_required=name in required)
        for name, of in sorted(schema.get("properties", {}).items(), key=lambda item: item[0] not in required)
    ]
    if schema.get("additionalProperties", False) is not False:
        parameters.append("**others")
    returned = "" if tool.returns is None else f" -> {type_of(tool.returns)}"
    return f"{tool.name}({', '.join(parameters)}){returned}"


def type_of(schema: Any, depth: int = 0) -> str:
    """Returns what a schema allows, written as a type of Python."""
    if not isinstance(schema, Mapping) or not schema or depth > _MAX_DEPTH:
        return "Any"
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REFERENCE)
    if "const" in schema:
        return _literal([schema["const"]])
    if "enum" in schema:
        return _literal(schema["enum"])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " | ".join(dict.fromkeys(type_of(one, depth + 1) for one in schema[key]))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(dict.fromkeys(type_of({**schema, "type": one}, depth + 1) for one in kind))
    if kind == "string":
        return "bytes" if "contentEncoding" in schema else _FORMATS.get(str(schema.get("format")), "str")
    if kind == "array":
        return _array(schema, depth)
    if kind == "object" or "properties" in schema:
        return _object(schema, depth)
    return _SCALARS.get(str(kind), "Any")


def definitions_of(tool: CodeActTool) -> dict[str, str]:
    """Returns the types that a signature names, each as what it is."""
    found = {**tool.schema.get("$defs", {}), **(tool.returns or {}).get("$defs", {})}
    return {name: type_of(schema) for name, schema in found.items()}


def descriptions_of(tool: CodeActTool) -> dict[str, str]:
    """Returns what the parameters of a tool mean, where somebody said."""
    properties = tool.schema.get("properties", {})
    return {
        name: str(of["description"])
        for name, of in properties.items()
        if isinstance(of, Mapping) and of.get("description")
    }


def _parameter(name: str, schema: Any, *, is_required: bool) -> str:
    text = f"{name}: {type_of(schema)}"
    if is_required:
        return text
    default = repr(schema["default"]) if isinstance(schema, Mapping) and "default" in schema else "..."
    return f"{text} = {default if len(default) <= _MAX_DEFAULT_CHARS else '...'}"


def _literal(values: Any) -> str:
    shown = ", ".join(repr(value) for value in values)
    return f"Literal[{shown}]"


def _array(schema: Mapping[str, Any], depth: int) -> str:
    if "prefixItems" in schema:
        return f"tuple[{', '.join(type_of(item, depth + 1) for item in schema['prefixItems'])}]"
    name = "set" if schema.get("uniqueItems") else "list"
    return f"{name}[{type_of(schema['items'], depth + 1)}]" if schema.get("items") else name


def _object(schema: Mapping[str, Any], depth: int) -> str:
    properties = schema.get("properties")
    if properties:
        required = schema.get("required", [])
        inside = ", ".join(
            f"{json.dumps(name, ensure_ascii=False)}{'' if name in required else '?'}: {type_of(of, depth + 1)}"
            for name, of in properties.items()
        )
        return f"{{{inside}}}"
    others = schema.get("additionalProperties")
    return f"dict[str, {type_of(others, depth + 1)}]" if isinstance(others, Mapping) and others else "dict"
