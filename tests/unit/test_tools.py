"""Tools without a VM: names, schemas from signatures, and the checks before a call."""

import asyncio
import collections
import collections.abc
import contextvars
import dataclasses
import datetime
import decimal
import enum
import functools
import sys
import typing
import uuid
from typing import Annotated, Any, Literal, NamedTuple, Optional, TypedDict, Union

import pytest

from hypercell import PolicyError, Tool
from hypercell._tools import ArgumentError, collect_tools


def tool_of(annotation, *default):
    """A tool `f` with one parameter `x` of an annotation, and a default if one is given."""

    def f(x):
        return x

    f.__annotations__["x"] = annotation
    f.__defaults__ = default or None
    return Tool(f)


def converted(annotation, value):
    return tool_of(annotation).bind({"x": value})["x"]


def refusal(tool, **arguments):
    """The message with which a tool refuses arguments."""
    with pytest.raises(ArgumentError) as caught:
        tool.bind(arguments)
    return str(caught.value)


def property_of(annotation):
    return tool_of(annotation).schema["properties"]["x"]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0
    tags: list[str] = dataclasses.field(default_factory=list)
    norm: float = dataclasses.field(init=False, default=0.0)


@dataclasses.dataclass
class Node:
    name: str
    children: "list[Node]" = dataclasses.field(default_factory=list)


class Row(TypedDict, total=False):
    id: int
    name: str


class Pair(NamedTuple):
    left: int
    right: str = "r"


def add(a: int, b: int = 1) -> int:
    """Adds two numbers."""
    return a + b


async def fetch(key: int) -> int:
    return key


# Names and collections


def test_tool_has_name_description_and_schema_of_its_function():
    tool = Tool(add)
    assert (tool.name, tool.description, tool.is_async) == ("add", "Adds two numbers.", False)
    assert tool.schema == {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer", "default": 1}},
        "required": ["a"],
        "additionalProperties": False,
    }


def test_tool_does_not_change():
    tool = Tool(add)
    with pytest.raises(AttributeError, match="does not change"):
        tool.name = "other"
    with pytest.raises(AttributeError, match="does not change"):
        del tool.schema


@pytest.mark.parametrize(
    "tools", [[add], (add,), {"add": add}, {"add": Tool(add, name="other")}, [Tool(add)], iter([add])]
)
def test_functions_tools_and_mappings_are_collected(tools):
    collected = collect_tools(tools)
    assert [(name, tool.name, tool.function) for name, tool in collected.items()] == [("add", "add", add)]


def test_nothing_is_no_tool():
    assert collect_tools(None) == collect_tools([]) == collect_tools({}) == {}


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ([5], "a tool must be callable, got int 5"),
        ({"x": 5}, "the tool 'x' must be callable, got int 5"),
        ({5: add}, "the name of a tool must be str, got int 5"),
        ({None: add}, "the name of a tool must be str, got None"),
        ("add", "tools must be a list of functions or a dict of them, got str 'add'"),
        (7, "tools must be a list of functions or a dict of them, got int 7"),
        ([add, Tool(fetch, name="add")], "two tools have the name 'add'"),
        ([lambda: 1], "a tool needs a name, as in {'name': function}: '<lambda>' is none"),
    ],
)
def test_what_is_no_tool_is_refused(tools, message):
    with pytest.raises(PolicyError) as caught:
        collect_tools(tools)
    assert str(caught.value) == message


def test_a_function_alone_is_refused():
    with pytest.raises(
        PolicyError, match="tools must be a list of functions or a dict of them, got function <"
    ):
        collect_tools(add)


def test_at_most_1024_tools():
    assert len(collect_tools({f"t{n}": add for n in range(1024)})) == 1024
    with pytest.raises(PolicyError, match=r"^there are more than 1024 tools$"):
        collect_tools({f"t{n}": add for n in range(1025)})


@pytest.mark.parametrize(
    "name", ["a", "größe", "get-user", "db.rows", "files/read", "x" * 128, "match", "_x"]
)
def test_name_may_be(name):
    assert Tool(add, name=name).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 129,
        "ö" * 65,
        "get user",
        "a\nb",
        "a\0b",
        "-a",
        "\ud800",
        "class",
        "__init__",
        "call_tool",
        "result",
        5,
    ],
)
def test_name_may_not_be(name):
    with pytest.raises(PolicyError):
        Tool(add, name=name)


@pytest.mark.parametrize("description", ["\ud800", "x" * 65_537, 5])
def test_description_may_not_be(description):
    with pytest.raises(PolicyError, match="description of tool 'add'"):
        Tool(add, description=description)


# Descriptions


def test_docstring_describes_tool_and_parameters():
    def search(query, limit: Annotated[int, "from the annotation"] = 5, *, deep: bool = False):
        """Searches everything
        in two lines.

        More that is not needed.

        Args:
            query (str): What to look for,
                on two lines: the second.
            limit: from the docstring
            deep: Whether to look
                everywhere.

        Returns:
            limit: nothing that is a parameter
        """

    tool = Tool(search)
    assert tool.description == "Searches everything in two lines."
    assert {name: entry["description"] for name, entry in tool.schema["properties"].items()} == {
        "query": "What to look for, on two lines: the second.",
        "limit": "from the annotation",
        "deep": "Whether to look everywhere.",
    }


def test_given_description_replaces_the_docstring():
    assert Tool(add, description="Sums.\n\nExactly.").description == "Sums.\n\nExactly."
    assert Tool(lambda: 1, name="one").description == ""


# Kinds of callables


class Shop:
    def price(self, item: str) -> float:
        """Returns a price."""
        return float(len(item))

    @classmethod
    def open(cls, day: int) -> bool:
        """Says whether it is open."""
        return day < 6

    @staticmethod
    def vat(region: str) -> float:
        """Returns a tax."""
        return float(len(region))


class Greeter:
    """Greets."""

    def __call__(self, name: str) -> str:
        return name


class AsyncGreeter:
    async def __call__(self, name: str) -> str:
        """Greets later."""
        return name


@pytest.mark.parametrize(
    ("function", "name", "properties", "is_async"),
    [
        (Shop().price, "price", {"item": {"type": "string"}}, False),
        (Shop.open, "open", {"day": {"type": "integer"}}, False),
        (Shop.vat, "vat", {"region": {"type": "string"}}, False),
        (Greeter(), "Greeter", {"name": {"type": "string"}}, False),
        (AsyncGreeter(), "AsyncGreeter", {"name": {"type": "string"}}, True),
        (fetch, "fetch", {"key": {"type": "integer"}}, True),
        (functools.partial(fetch), "fetch", {"key": {"type": "integer"}}, True),
        (functools.partial(AsyncGreeter()), "AsyncGreeter", {"name": {"type": "string"}}, True),
        (functools.lru_cache(add), "add", Tool(add).schema["properties"], False),
        (Pair, "Pair", {"left": {"type": "integer"}, "right": {"type": "string", "default": "r"}}, False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_kind_of_callable_is_a_tool(function, name, properties, is_async):
    tool = Tool(function)
    assert (tool.name, tool.schema["properties"], tool.is_async) == (name, properties, is_async)


def test_what_partial_binds_is_fixed():
    def orders(user_id: int, region: str, limit: int = 10):
        return user_id, region, limit

    tool = Tool(functools.partial(orders, 7, region="eu"))
    assert list(tool.schema["properties"]) == ["limit"]
    assert tool.function(**tool.bind({"limit": 3})) == (7, "eu", 3)
    assert refusal(tool, region="us") == "orders: unknown argument 'region'; it takes limit"


def test_what_partial_binds_may_have_any_type():
    def rows(connection: asyncio.AbstractEventLoop, table: str):
        return connection, table

    assert list(Tool(functools.partial(rows, None)).schema["properties"]) == ["table"]
    assert list(Tool(functools.partial(rows, connection=None)).schema["properties"]) == ["table"]


def test_classes_are_tools_that_make_their_instances():
    tool = Tool(Point)
    assert tool.function(**tool.bind({"": [1], "tags": ["t"]})) == Point(1, 0.0, ["t"])
    assert refusal(tool, x="1") == "Point: argument 'x' must be int, got str '1'"


def test_decorated_function_keeps_its_parameters():
    def logged(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    tool = Tool(logged(add))
    assert tool.schema == Tool(add).schema
    assert tool.function(**tool.bind({"a": 2})) == 3


def test_builtin_without_signature_takes_what_is_given():
    tool = Tool(contextvars.ContextVar("x", default=5).get, name="who")
    assert tool.schema["properties"] == {}
    assert tool.bind({}) == {}


def test_more_keyword_arguments_are_taken_and_checked():
    def note(text: str, **fields: int):
        return text, fields

    tool = Tool(note)
    assert tool.schema["additionalProperties"] == {"type": "integer"}
    assert tool.bind({"text": "t", "a": 1}) == {"text": "t", "a": 1}
    assert refusal(tool, text="t", a="x") == "note: argument 'a' must be int, got str 'x'"
    assert Tool(lambda **fields: fields, name="any").schema["additionalProperties"] is True


def test_parameters_without_a_name_to_pass_them_by_are_refused():
    def star(*values):
        pass

    def slash(value, /):
        pass

    with pytest.raises(PolicyError) as caught:
        Tool(star)
    assert (
        str(caught.value)
        == "tool 'star' takes *values, but arguments are passed by name: use a list parameter"
    )
    with pytest.raises(PolicyError, match="takes 'value' by position only"):
        Tool(slash)


def test_annotation_that_cannot_be_resolved_is_named():
    def lookup(key: "str", row: "Missing"):  # noqa: F821
        pass

    with pytest.raises(PolicyError) as caught:
        Tool(lookup)
    assert str(caught.value) == (
        "tool 'lookup': the annotation of 'row', Missing, cannot be resolved: NameError: name 'Missing' is not defined"
    )


@pytest.mark.parametrize(
    "annotation",
    [
        asyncio.AbstractEventLoop,
        complex,
        type[int],
        collections.abc.Callable[[], int],
        5,
        [int],
        list[complex],
        Ellipsis,
    ],
)
def test_annotation_that_no_argument_can_have_is_refused(annotation):
    with pytest.raises(
        PolicyError, match=r"^tool 'f': parameter 'x': .*; functools\.partial can fix its value$"
    ):
        tool_of(annotation)


def test_postponed_annotations_are_resolved():
    source = (
        "from __future__ import annotations\n"
        "import dataclasses, typing\n"
        "@dataclasses.dataclass\n"
        "class Item:\n    price: float\n"
        "class Extra(typing.TypedDict):\n    note: str\n"
        "def total(items: list[Item], extra: Extra | None = None, n: typing.Annotated[int, 'how many'] = 1): ...\n"
    )
    module = type(sys)("postponed")
    sys.modules["postponed"] = module
    try:
        exec(source, module.__dict__)
        tool = Tool(module.total)
    finally:
        del sys.modules["postponed"]
    assert tool.bind({"items": [{"price": 2}], "extra": {"note": "x"}}) == {
        "items": [module.Item(2.0)],
        "extra": {"note": "x"},
    }
    assert tool.schema["properties"]["n"] == {"type": "integer", "description": "how many", "default": 1}


# Arguments


def test_unknown_and_missing_arguments_name_the_known_ones():
    tool = Tool(add)
    assert refusal(tool) == "add: missing argument 'a'; it takes a, b"
    assert refusal(tool, a=1, c=2) == "add: unknown argument 'c'; it takes a, b"
    assert refusal(Tool(lambda: 1, name="none"), a=1) == "none: unknown argument 'a'; it takes none"


def test_positional_arguments_take_the_names_of_parameters():
    tool = Tool(add)
    assert tool.bind({"": [1, 2]}) == {"a": 1, "b": 2}
    assert tool.bind({"": [1], "b": 2}) == {"a": 1, "b": 2}
    assert tool.bind({"": []} | {"a": 1}) == {"a": 1}
    assert (
        refusal(tool, **{"": [1, 2, 3]}) == "add: takes at most 2 positional arguments, got 3; it takes a, b"
    )
    assert refusal(tool, **{"": [1], "a": 1}) == "add: argument 'a' is given twice, by position and by name"
    assert refusal(tool, **{"": 5}) == "add: positional arguments must be list, got int 5"


def test_keyword_only_parameters_take_no_positional_argument():
    def find(a: int, *, b: int = 0):
        pass

    assert (
        refusal(Tool(find), **{"": [1, 2]})
        == "find: takes at most 1 positional arguments, got 2; it takes a, b"
    )


def test_none_is_taken_where_it_is_the_default():
    def find(limit: int = None):  # noqa: RUF013
        pass

    assert Tool(find).bind({"limit": None}) == {"limit": None}


def test_arguments_are_not_changed():
    given = {"x": [{"x": 1}]}
    assert tool_of(list[Point]).bind(given) == {"x": [Point(1)]}
    assert given == {"x": [{"x": 1}]}


NOW = datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc)
ID = uuid.UUID(int=5)


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, 5, 5),
        (int, 10**400, 10**400),
        (float, 5, 5.0),
        (float, 0.5, 0.5),
        (bool, True, True),
        (str, "x", "x"),
        (bytes, b"x", b"x"),
        (bytearray, b"x", bytearray(b"x")),
        (None, None, None),
        (Any, [1, "x"], [1, "x"]),
        (object, None, None),
        (datetime.datetime, NOW, NOW),
        (datetime.date, NOW.date(), NOW.date()),
        (datetime.time, NOW.time(), NOW.time()),
        (datetime.timedelta, NOW - NOW, NOW - NOW),
        (decimal.Decimal, decimal.Decimal("1.5"), decimal.Decimal("1.5")),
        (decimal.Decimal, 3, decimal.Decimal(3)),
        (uuid.UUID, ID, ID),
        (list, [1], [1]),
        (list[int], [1], [1]),
        (list[float], [1], [1.0]),
        (collections.abc.Sequence[int], (1, 2), (1, 2)),
        (typing.List[int], [1], [1]),  # noqa: UP006
        (tuple, [1, "a"], (1, "a")),
        (tuple[int, str], [1, "a"], (1, "a")),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[()], [], ()),
        (set[int], [1, 1], {1}),
        (set, {1}, {1}),
        (frozenset[str], {"a"}, frozenset("a")),
        (collections.abc.Set[int], [1], frozenset([1])),
        (dict, {1: 2}, {1: 2}),
        (dict[str, float], {"a": 1}, {"a": 1.0}),
        (collections.abc.Mapping[int, list[int]], {1: [2]}, {1: [2]}),
        (collections.OrderedDict, {"a": 1}, collections.OrderedDict(a=1)),
        (Optional[int], None, None),  # noqa: UP045
        (Union[int, str], "x", "x"),  # noqa: UP007
        (int | str | None, 5, 5),
        (int | float, 5, 5),
        (Literal["a", 1, None], 1, 1),
        (Literal[Colour.RED], "red", Colour.RED),
        (Literal[b"x"], b"x", b"x"),
        (Colour, "blue", Colour.BLUE),
        (Level, 2, Level.HIGH),
        (Access, 3, Access.READ | Access.WRITE),
        (Point, {"x": 1}, Point(1)),
        (Point, {"x": 1, "y": 2, "tags": ["t"]}, Point(1, 2.0, ["t"])),
        (Node, {"name": "a", "children": [{"name": "b"}]}, Node("a", [Node("b")])),
        (list[Row], [{"id": 1}, {}], [{"id": 1}, {}]),
        (Pair, (1, "x"), Pair(1, "x")),
        (Pair, [1], Pair(1)),
        (Pair, {"left": 1}, Pair(1)),
        (typing.NewType("UserId", int), 5, 5),
        (typing.TypeVar("T"), "anything", "anything"),
        (typing.TypeVar("N", int, str), "x", "x"),
        (Annotated[int, "a number"], 5, 5),
        (list[Annotated[int, ["no", "hash"]]] | None, [5], [5]),
    ],
)
def test_value_reaches_the_tool_as_its_annotation_says(annotation, value, expected):
    result = converted(annotation, value)
    assert (type(result), result) == (type(expected), expected)


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (int, "x", "'x' must be int, got str 'x'"),
        (int, True, "'x' must be int, got bool True"),
        (int, 1.0, "'x' must be int, got float 1.0"),
        (int, None, "'x' must be int, got None"),
        (float, False, "'x' must be float, got bool False"),
        (float, "1", "'x' must be float, got str '1'"),
        (float, 10**400, "'x' must be float, got an int that is too large for one"),
        (bool, 1, "'x' must be bool, got int 1"),
        (str, b"x", "'x' must be str, got bytes b'x'"),
        (int, "y" * 100, "'x' must be int, got str '" + "y" * 59 + "..."),
        (int, ["long"] * 100, "'x' must be int, got list of 100"),
        (None, 0, "'x' must be None, got int 0"),
        (datetime.datetime, "2024-02-29", "'x' must be datetime, got str '2024-02-29'"),
        (datetime.date, NOW, f"'x' must be date, got datetime {repr(NOW)[:60]}..."),
        (decimal.Decimal, 1.5, "'x' must be Decimal, got float 1.5"),
        (uuid.UUID, str(ID), f"'x' must be UUID, got str '{ID}'"),
        (list[int], "12", "'x' must be list, got str '12'"),
        (list[int], (1,), "'x' must be list, got tuple of 1"),
        (list[int], [1, "2"], "'x'[1] must be int, got str '2'"),
        (collections.abc.Sequence[int], {1}, "'x' must be list, got set of 1"),
        (tuple[int, str], [1], "'x' must have 2 items, got 1"),
        (tuple[int, str], [1, 2], "'x'[1] must be str, got int 2"),
        (tuple[int, ...], {1}, "'x' must be tuple, got set of 1"),
        (set[int], (1,), "'x' must be set, got tuple of 1"),
        (set, [[1]], "'x' must be set, got list of 1 with an unhashable item"),
        (dict, [1], "'x' must be dict, got list of 1"),
        (dict[str, int], {"a": "b"}, "'x'['a'] must be int, got str 'b'"),
        (dict[str, int], {1: 2}, "'x' has a key that must be str, got int 1"),
        (list[dict[str, int]], [{}, {}, {"id": "7"}], "'x'[2]['id'] must be int, got str '7'"),
        (Optional[int], "5", "'x' must be int or None, got str '5'"),  # noqa: UP045
        (int | str, 1.5, "'x' must be int or str, got float 1.5"),
        (list[int] | None, [1, "x"], "'x'[1] must be int, got str 'x'"),
        (Literal["a", "b"], "c", "'x' must be 'a' or 'b', got str 'c'"),
        (Literal[1], True, "'x' must be 1, got bool True"),
        (Colour, "green", "'x' must be 'red' or 'blue', got str 'green'"),
        (Level, 3, "'x' must be 1 or 2, got int 3"),
        (Access, "r", "'x' must be int, got str 'r'"),
        (Point, 5, "'x' must be dict for Point, got int 5"),
        (Point, {"y": 1}, "'x' lacks the key 'x'; Point takes x, y, tags"),
        (Point, {"x": 1, "z": 1}, "'x' has the unknown key str 'z'; Point takes x, y, tags"),
        (Point, {"x": 1, "norm": 1}, "'x' has the unknown key str 'norm'; Point takes x, y, tags"),
        (Point, {"x": 1, "tags": [1]}, "'x'['tags'][0] must be str, got int 1"),
        (Node, {"name": "a", "children": [{"name": 5}]}, "'x'['children'][0]['name'] must be str, got int 5"),
        (Row, {"id": None}, "'x'['id'] must be int, got None"),
        (Row, {"size": 1}, "'x' has the unknown key str 'size'; Row takes id, name"),
        (Pair, [1, "a", 2], "'x' must have 2 items, got 3"),
        (Pair, ["a"], "'x'['left'] must be int, got str 'a'"),
    ],
)
def test_wrong_value_is_refused_with_the_path_to_it(annotation, value, message):
    assert refusal(tool_of(annotation), x=value) == f"f: argument {message}"


def test_int_with_too_many_digits_to_show_is_refused():
    assert refusal(tool_of(str), x=10**5000) == "f: argument 'x' must be str, got int"


def test_a_class_that_checks_its_values_refuses_in_its_own_words():
    @dataclasses.dataclass
    class Positive:
        n: int

        def __post_init__(self):
            if self.n <= 0:
                raise ValueError("n must be positive\nand more")

    tool = tool_of(Positive)
    assert tool.bind({"x": {"n": 1}}) == {"x": Positive(1)}
    assert refusal(tool, x={"n": 0}) == (
        "f: argument 'x' cannot be a Positive: ValueError: n must be positive"
    )


def test_init_only_fields_of_a_dataclass_are_arguments():
    @dataclasses.dataclass
    class Circle:
        radius: dataclasses.InitVar[float]
        area: float = dataclasses.field(init=False)

        def __post_init__(self, radius):
            self.area = 3 * radius * radius

    assert converted(Circle, {"radius": 2}).area == 12.0


# Schemas


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (Any, {}),
        (bytes, {"type": "string", "contentEncoding": "base64"}),
        (datetime.datetime, {"type": "string", "format": "date-time"}),
        (uuid.UUID, {"type": "string", "format": "uuid"}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal["a", 1, None], {"enum": ["a", 1, None]}),
        (Literal[b"x"], {}),
        (list, {"type": "array"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (set[str], {"type": "array", "uniqueItems": True, "items": {"type": "string"}}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (dict[str, Any], {"type": "object"}),
        (
            tuple[int, str],
            {
                "type": "array",
                "minItems": 2,
                "maxItems": 2,
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
            },
        ),
        (Annotated[str, "what to look for"], {"type": "string", "description": "what to look for"}),
        (Point, {"$ref": "#/$defs/Point"}),
    ],
)
def test_schema_of_an_annotation(annotation, schema):
    assert property_of(annotation) == schema


def test_schemas_of_named_types_are_definitions():
    def save(point: Point, colours: list[Colour], node: Node, row: Row):
        pass

    schema = Tool(save).schema
    assert schema["properties"]["colours"] == {"type": "array", "items": {"$ref": "#/$defs/Colour"}}
    assert schema["$defs"] == {
        "Point": {
            "type": "object",
            "properties": {
                "x": {"type": "integer"},
                "y": {"type": "number", "default": 0.0},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["x"],
            "additionalProperties": False,
        },
        "Colour": {"type": "string", "enum": ["red", "blue"]},
        "Node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
            },
            "required": ["name"],
            "additionalProperties": False,
        },
        "Row": {
            "type": "object",
            "properties": {"id": {"type": "integer"}, "name": {"type": "string"}},
            "required": [],
            "additionalProperties": False,
        },
    }


def test_two_types_of_one_name_have_two_definitions():
    first = dataclasses.make_dataclass("Item", [("a", int)])
    second = dataclasses.make_dataclass("Item", [("b", str)])
    tool = tool_of(tuple[first, second])
    assert sorted(tool.schema["$defs"]) == ["Item", "Item_"]
    assert tool.bind({"x": [{"a": 1}, {"b": "s"}]})["x"] == (first(1), second("s"))


@pytest.mark.parametrize(
    ("default", "shown"),
    [
        (None, None),
        (5, 5),
        ("a", "a"),
        ([1, "a"], [1, "a"]),
        ({"a": [1]}, {"a": [1]}),
        (Colour.RED, "red"),
        (False, False),
    ],
)
def test_default_is_in_the_schema(default, shown):
    assert tool_of(Any, default).schema["properties"]["x"] == {"default": shown}


@pytest.mark.parametrize("default", [float("nan"), b"x", object(), {1, 2}, (1,)])
def test_default_without_a_json_form_is_left_out(default):
    tool = tool_of(Any, default)
    assert tool.schema["properties"]["x"] == {}
    assert tool.schema["required"] == []
    assert tool.bind({}) == {}


def test_required_keys_of_a_typed_dict_follow_their_marks():
    extensions = pytest.importorskip("typing_extensions")

    class Entry(extensions.TypedDict):
        id: int
        note: extensions.NotRequired[str]

    definition = tool_of(Entry).schema["$defs"]["Entry"]
    assert (list(definition["properties"]), definition["required"]) == (["id", "note"], ["id"])
    assert converted(Entry, {"id": 1}) == {"id": 1}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax is from Python 3.12")
def test_type_aliases_and_type_parameters_are_understood():
    names = {}
    exec(
        "type Json = None | int | list[Json] | dict[str, Json]\n"
        "def keep[T: int](data: Json, items: list[T], more: 'list[T] | None' = None): ...\n",
        names,
    )
    tool = Tool(names["keep"])
    assert tool.bind({"data": [1, {"a": None}], "items": [1]}) == {"data": [1, {"a": None}], "items": [1]}
    assert "must be None or int or list or dict" in refusal(tool, data=[1, {"a": "s"}], items=[])
    assert refusal(tool, data=1, items=["s"]) == "keep: argument 'items'[0] must be int, got str 's'"


# pydantic


def test_pydantic_models_describe_and_check_arguments():
    pydantic = pytest.importorskip("pydantic")

    class Address(pydantic.BaseModel):
        city: str

    class User(pydantic.BaseModel):
        name: str = pydantic.Field(description="full name")
        addresses: list[Address]

    tool = tool_of(User)
    assert tool.schema["properties"]["x"] == {"$ref": "#/$defs/User"}
    assert tool.schema["$defs"]["User"]["properties"]["name"]["description"] == "full name"
    assert tool.schema["$defs"]["User"]["properties"]["addresses"]["items"] == {
        "$ref": "#/$defs/User.Address"
    }
    assert tool.schema["$defs"]["User.Address"]["required"] == ["city"]
    assert tool.bind({"x": {"name": "Ann", "addresses": [{"city": "Graz"}]}}) == {
        "x": User(name="Ann", addresses=[Address(city="Graz")])
    }
    assert refusal(tool, x={}) == "f: argument 'x'['name'] is refused by User: Field required"
    assert refusal(tool, x={"name": "Ann", "addresses": [{"city": "G"}, {}]}) == (
        "f: argument 'x'['addresses'][1]['city'] is refused by User: Field required"
    )
    assert refusal(tool, x=5).startswith(
        "f: argument 'x' is refused by User: Input should be a valid dictionary"
    )


def test_pydantic_metadata_narrows_a_type():
    pydantic = pytest.importorskip("pydantic")
    tool = tool_of(Annotated[int, pydantic.Field(ge=1, description="how many")])
    assert tool.schema["properties"]["x"] == {"type": "integer", "minimum": 1, "description": "how many"}
    assert tool.bind({"x": 1}) == {"x": 1}
    assert refusal(tool, x="1") == "f: argument 'x' must be int, got str '1'"
    assert (
        refusal(tool, x=0) == "f: argument 'x' is refused by int: Input should be greater than or equal to 1"
    )


def test_pydantic_model_that_raises_something_of_its_own_is_a_refusal():
    pydantic = pytest.importorskip("pydantic")

    class Odd(pydantic.BaseModel):
        n: int

        @pydantic.field_validator("n")
        @classmethod
        def check(cls, value):
            return {}[value]

    assert refusal(tool_of(Odd), x={"n": 1}) == "f: argument 'x' cannot be a Odd: KeyError: 1"


SCHEMA = {
    "type": "object",
    "properties": {"where": {"type": "string"}, "many": {"type": "integer"}},
    "required": ["where"],
}


def test_schema_that_is_given_is_kept_and_names_are_checked_against_it():
    tool = Tool(lambda **given: given, name="find", schema=SCHEMA)
    assert tool.schema == SCHEMA
    assert tool.schema is not SCHEMA
    assert tool.bind({"": ["here"], "many": "not checked"}) == {"where": "here", "many": "not checked"}
    for arguments, message in [
        ({}, "find: missing argument 'where'; it takes where, many"),
        ({"where": 1, "when": 2}, "find: unknown argument 'when'; it takes where, many"),
    ]:
        with pytest.raises(TypeError) as caught:
            tool.bind(arguments)
        assert str(caught.value) == message


@pytest.mark.parametrize("schema", [{**SCHEMA, "additionalProperties": True}, {"type": "object"}, {}])
def test_schema_that_is_given_may_allow_other_arguments(schema):
    tool = Tool(lambda **given: given, name="find", schema=schema)
    assert tool.bind({"where": "here", "when": 2}) == {"where": "here", "when": 2}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (["where"], "the schema of tool 'find' must be that of an object, got list of 1"),
        ({"type": "array"}, "the schema of tool 'find' must be that of an object, got dict of 1"),
        ({"properties": []}, "the properties of tool 'find' must be named schemas, got list of 0"),
        ({"required": ["x"]}, "what tool 'find' requires must be among its properties, got list of 1"),
    ],
)
def test_schema_that_cannot_be_is_refused(schema, message):
    with pytest.raises(PolicyError) as caught:
        Tool(print, name="find", schema=schema)
    assert str(caught.value) == message


def test_tool_under_another_name_keeps_its_schema():
    tools = collect_tools({"seek": Tool(lambda **given: given, name="find", schema=SCHEMA)})
    assert tools["seek"].schema == SCHEMA
    assert tools["seek"].bind({"where": "here"}) == {"where": "here"}
