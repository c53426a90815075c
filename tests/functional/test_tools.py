"""Tools: functions of the caller that submitted code calls."""

import asyncio
import contextvars
import dataclasses
import threading
import time
from typing import Annotated, Literal

import pytest

import hypercell
from corpus import canonical
from plain_values import VALUES

CATCH = """
def attempt(call):
    try:
        return ["ok", call()]
    except Exception as error:
        return [type(error).__name__, str(error)]
"""


def caught(box, call):
    """What `call`, a guest expression, ends with: ["ok", value] or [type, message] of its exception."""
    result = box.run(CATCH + f"attempt(lambda: {call})")
    result.raise_for_error()
    return result.value


def add(a: int, b: int = 1) -> int:
    """Adds two numbers."""
    return a + b


@pytest.mark.gate("RunDone", aspect="allowed")
@pytest.mark.gate("ToolCall", aspect="allowed")
def test_tool_is_called_by_call_tool_and_by_name(make_sandbox):
    box = make_sandbox(tools=[add])
    assert box.run("[call_tool('add', a=1, b=2), add(a=5), add(5, 6), add(5, b=7)]").value == [3, 6, 11, 12]


def test_tools_are_given_as_functions_dict_or_tool_objects(make_sandbox):
    code = "add(a=1, b=1)"
    assert make_sandbox(tools=[add]).run(code).value == 2
    assert make_sandbox(tools={"add": lambda a, b: a * 10 + b}).run(code).value == 11
    assert make_sandbox(tools=[hypercell.Tool(add, name="add", description="Adds.")]).run(code).value == 2


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(hypercell.PolicyError):
        hypercell.Sandbox(tools=[add, hypercell.Tool(lambda: 1, name="add")])


def test_tool_keeps_its_docstring_in_the_guest(make_sandbox):
    assert make_sandbox(tools=[add]).run("[add.__name__, add.__doc__]").value == ["add", "Adds two numbers."]


def test_tool_does_not_hide_what_the_code_defines_later(make_sandbox):
    assert make_sandbox(tools=[add]).run("def add(a):\n    return 'mine'\nadd(1)").value == "mine"


def test_tool_without_return_gives_none(make_sandbox):
    seen = []
    box = make_sandbox(tools={"note": lambda text: seen.append(text)})
    assert box.run("[note(text='a'), note(text='b')]").value == [None, None]
    assert seen == ["a", "b"]


def test_values_of_every_kind_reach_the_tool_and_come_back(make_sandbox):
    box = make_sandbox(tools={"echo": lambda value: value})
    for value in VALUES.values():
        assert canonical(box.run("echo(value=value)", inputs={"value": value}).value) == canonical(value)


def test_schema_comes_from_the_signature():
    def search(
        query: Annotated[str, "what to look for"],
        kind: Literal["a", "b"] = "a",
        limit: int | None = None,
        tags: list[str] | None = None,
    ) -> list[str]:
        """Searches."""
        return [query, kind, str(limit), *(tags or [])]

    schema = hypercell.Tool(search).schema
    assert schema["type"] == "object"
    assert schema["required"] == ["query"]
    assert schema["additionalProperties"] is False
    assert list(schema["properties"]) == ["query", "kind", "limit", "tags"]
    assert schema["properties"]["query"] == {"type": "string", "description": "what to look for"}
    assert schema["properties"]["kind"]["enum"] == ["a", "b"]


@pytest.mark.parametrize(
    "call",
    [
        "add()",
        "add(a='one')",
        "add(a=1, b=2, c=3)",
        "add(a=[1])",
        "add(a=True)",
        "add(a=1.5)",
        "add(a=None)",
        "add(1, 2, 3)",
        "add(1, a=1)",
        "call_tool('add', b=1)",
    ],
)
def test_wrong_arguments_raise_in_the_guest_and_never_reach_the_tool(make_sandbox, call):
    seen = []

    def add(a: int, b: int = 1) -> int:
        seen.append(a)
        return a + b

    kind, message = caught(make_sandbox(tools=[add]), call)
    assert (kind, seen) == ("TypeError", [])
    assert message.startswith("add")


def test_literal_and_optional_arguments_are_checked(make_sandbox):
    def pick(kind: Literal["a", "b"], n: int | None = None) -> str:
        return f"{kind}{n}"

    box = make_sandbox(tools=[pick])
    assert box.run("[pick(kind='a'), pick(kind='b', n=None), pick(kind='a', n=3)]").value == [
        "aNone",
        "bNone",
        "a3",
    ]
    assert caught(box, "pick(kind='c')")[0] == "TypeError"
    assert caught(box, "pick(kind='a', n='x')")[0] == "TypeError"


def test_dataclass_and_pydantic_parameters_arrive_as_objects(make_sandbox):
    pydantic = pytest.importorskip("pydantic")

    @dataclasses.dataclass
    class Point:
        x: int
        y: int = 0

    class User(pydantic.BaseModel):
        name: str

    def both(point: Point, user: User) -> str:
        return f"{type(point).__name__} {point.x} {type(user).__name__} {user.name}"

    box = make_sandbox(tools=[both])
    assert box.run("both(point={'x': 3}, user={'name': 'Ann'})").value == "Point 3 User Ann"
    assert caught(box, "both(point={'x': 3}, user={})")[0] == "TypeError"


@pytest.mark.gate("ToolCall", aspect="denied_by_rule")
def test_unknown_tool_raises_in_the_guest_naming_it(make_sandbox):
    box = make_sandbox(tools=[add])
    kind, message = caught(box, "call_tool('subtract', a=1)")
    assert kind == "LookupError" or kind.endswith("Error")
    assert "subtract" in message


def test_tool_that_raises_raises_in_the_guest_without_host_traceback(make_sandbox):
    def fetch(key):
        raise KeyError(f"no row {key}")

    box = make_sandbox(tools=[fetch])
    _, message = caught(box, "fetch(key='x')")
    assert "fetch" in message
    assert "no row x" in message
    result = box.run("fetch(key='x')")
    assert result.error.line == 1
    assert __file__ not in result.error.traceback
    assert [line for line in result.error.traceback.splitlines() if line.startswith("  File")] == [
        '  File "<code>", line 1, in <module>'
    ]


def test_tool_that_raises_with_text_that_cannot_cross_still_raises(make_sandbox):
    class AwkwardError(Exception):
        def __str__(self):
            raise ValueError("no text")

    def surrogate():
        raise ValueError("a\ud800b")

    def awkward():
        raise AwkwardError

    def long():
        raise ValueError("x" * 10_000_000)

    box = make_sandbox(tools=[surrogate, awkward, long])
    for name in ("surrogate", "awkward", "long"):
        kind, message = caught(box, f"{name}()")
        assert kind != "ok"
        assert len(message) < 100_000


def test_tool_that_returns_what_cannot_cross_raises_in_the_guest(make_sandbox):
    box = make_sandbox(tools={"rows": lambda: {"rows": [1, threading.Lock()]}})
    _, message = caught(box, "rows()")
    assert message.endswith('result["rows"][1]: cannot send a lock')
    assert box.run("1").value == 1


def test_argument_that_cannot_cross_raises_in_the_guest(make_sandbox):
    seen = []
    box = make_sandbox(tools={"take": lambda value: seen.append(value)})
    _, message = caught(box, "take(value=[print])")
    assert message.endswith("value[0]: cannot send a builtin_function_or_method")
    assert seen == []


def test_async_tool_is_awaited(make_sandbox):
    async def slow(n: int) -> int:
        await asyncio.sleep(0.01)
        return n * 2

    box = make_sandbox(tools=[slow, add])
    assert box.run("[slow(n=1), add(a=1), slow(n=3)]").value == [2, 2, 6]


def test_async_tools_share_one_event_loop(make_sandbox):
    loops = set()

    async def where() -> int:
        loops.add(id(asyncio.get_running_loop()))
        return 1

    box = make_sandbox(tools=[where])
    box.run("where(); where()")
    box.run("where()")
    assert len(loops) == 1


def test_async_tool_that_raises_raises_in_the_guest(make_sandbox):
    async def fail():
        await asyncio.sleep(0)
        raise ValueError("async failure")

    _, message = caught(make_sandbox(tools=[fail]), "fail()")
    assert "async failure" in message


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_tool_that_never_returns_is_abandoned_at_the_time_limit_and_named(make_sandbox, kind):
    never = threading.Event()

    def hang():
        never.wait()

    async def hang_async():
        await asyncio.sleep(3600)

    box = make_sandbox(
        tools={"hang": hang if kind == "sync" else hang_async}, limits=hypercell.Limits(wall_time_s=0.5)
    )
    before = time.monotonic()
    with pytest.raises(hypercell.TimeLimitError) as caught_error:
        box.run("print('calling')\nhang()")
    assert time.monotonic() - before < 3
    assert "hang" in str(caught_error.value)
    assert caught_error.value.result.stdout == "calling\n"
    never.set()
    assert box.run("1").value == 1


def test_time_in_tools_counts(make_sandbox):
    box = make_sandbox(tools={"wait": lambda: time.sleep(0.2)}, limits=hypercell.Limits(wall_time_s=0.5))
    with pytest.raises(hypercell.TimeLimitError):
        box.run("for _ in range(100): wait()")


def test_tool_sees_the_callers_context_variables(make_sandbox):
    user = contextvars.ContextVar("user", default="nobody")
    box = make_sandbox(tools={"who": user.get})
    assert box.run("who()").value == "nobody"
    user.set("ann")
    assert box.run("who()").value == "ann"


def test_async_tool_sees_the_callers_context_variables(make_sandbox):
    user = contextvars.ContextVar("user", default="nobody")

    async def who() -> str:
        await asyncio.sleep(0)
        return user.get()

    box = make_sandbox(tools=[who])
    user.set("bob")
    assert box.run("who()").value == "bob"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_base_exception_of_a_tool_reaches_the_caller(make_sandbox, kind):
    def stop():
        raise kind("from the tool")

    box = make_sandbox(tools=[stop])
    with pytest.raises(kind):
        box.run("try:\n    stop()\nexcept BaseException:\n    pass\n'swallowed'")
    assert box.run("1").value == 1


def test_tool_may_use_another_sandbox(make_sandbox):
    inner = make_sandbox()
    outer = make_sandbox(tools={"compute": lambda code: inner.run(code).value})
    assert outer.run("compute(code='6 * 7') + 1").value == 43


def test_tool_that_runs_its_own_sandbox_gets_an_error(make_sandbox):
    boxes = []
    boxes.append(make_sandbox(tools={"again": lambda: boxes[0].run("1").value}))
    kind, _ = caught(boxes[0], "again()")
    assert kind != "ok"
    assert boxes[0].run("2").value == 2


def test_tool_called_in_except_and_finally_and_generators(make_sandbox):
    code = """
seen = []
try:
    1 / 0
except ZeroDivisionError:
    seen.append(add(a=1))
finally:
    seen.append(add(a=2))
def numbers():
    for n in range(3):
        yield add(a=n)
seen + list(numbers()) + sorted([3, 1], key=lambda n: add(a=-n))
"""
    assert make_sandbox(tools=[add]).run(code).value == [2, 3, 1, 2, 3, 3, 1]


def test_large_argument_and_result_cross(make_sandbox):
    box = make_sandbox(tools={"size": lambda data: data + b"!"})
    assert box.run("data = bytes(800_000)\nsize(data=data) == data + b'!'").value is True


def test_a_thousand_calls_in_one_run(make_sandbox):
    box = make_sandbox(tools=[add], limits=hypercell.Limits(tool_calls=1000))
    assert box.run("sum(add(a=n) for n in range(1000))").value == sum(range(1, 1001))


def test_tool_name_that_is_no_identifier_works_by_call_tool_only(make_sandbox):
    box = make_sandbox(tools={"get-user": lambda key: key})
    assert box.run("call_tool('get-user', key=5)").value == 5


@pytest.mark.parametrize("tools", [[5], {"x": 5}, {5: add}, {"": add}, {"n" * 129: add}, "add", [lambda: 1]])
def test_what_is_no_tool_is_refused(tools):
    with pytest.raises((hypercell.PolicyError, TypeError)):
        hypercell.Sandbox(tools=tools)
