"""`call_tool` and tools by name, as submitted code sees them."""

import pytest

CATCH = """
def attempt(call):
    try:
        return call()
    except Exception as error:
        return [type(error).__name__, str(error)]
"""


class ArgumentError(Exception):
    """What the host answers if arguments do not fit."""


def add(a, b=1):
    """Adds two numbers."""
    return a + b


def test_tool_is_called_by_call_tool_and_by_name(guest):
    assert guest.value("[call_tool('add', a=1, b=2), add(a=5)]", {"add": add}) == [3, 6]


def test_positional_arguments_travel_under_the_empty_name(guest):
    guest.run("add(5, 6, b=7)", {"add": add})
    (call,) = [body for name, body in guest.frames if name == "ToolCall"]
    assert call == {"id": 1, "name": "add", "args": {"b": 7, "": [5, 6]}, "line": 1}


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("\n\nadd(a=1)", 3),
        ("call_tool('add',\n    a=1)", 1),
        ("def helper():\n    return add(a=1)\n\nhelper()", 2),
        ("x = 1\nlist(map(add, [1]))", 2),
        ("import functools\nfunctools.reduce(lambda x, y: add(a=x), [1, 2])", 2),
        ("x = 1\nexec('\\n\\n\\nadd(a=1)')", 2),
        ("class A:\n    def __del__(self):\n        add(a=1)\nA()", 3),
        ("async def f():\n    return await call_tool_async('add', a=1)\nawait f()", 2),
        ("import asyncio\nawait asyncio.gather(\n    call_tool_async('add', a=1))", 3),
        ("import asyncio\nasync def f():\n    add(a=1)\nawait asyncio.gather(f())", 3),
        ("import asyncio\nt = asyncio.ensure_future(call_tool_async('add', a=1))\nawait t", 2),
    ],
)
def test_call_says_from_which_line_of_the_code_it_comes(guest, code, line):
    guest.run(code, {"add": add})
    calls = [body for name, body in guest.frames if name == "ToolCall"]
    calls += [call for name, body in guest.frames if name == "ToolWait" for call in body["calls"]]
    assert [call["line"] for call in calls] == [line]


def test_call_that_no_line_of_the_code_makes_has_none(guest):
    guest.run("import atexit\natexit.register(add, a=1)", {"add": add})
    (call,) = [body for name, body in guest.frames if name == "ToolCall"]
    assert call["line"] is None


def test_calls_have_numbers_of_their_own(guest):
    guest.run("[add(a=n) for n in range(3)]", {"add": add})
    assert [body["id"] for name, body in guest.frames if name == "ToolCall"] == [1, 2, 3]


def test_tool_has_its_name_and_documentation(guest):
    code = "[add.__name__, add.__qualname__, add.__doc__, add.__module__, call_tool.__name__]"
    assert guest.value(code, {"add": add}) == ["add", "add", "Adds two numbers.", "__main__", "call_tool"]


def test_parameter_of_a_tool_may_be_called_name(guest):
    assert guest.value("call_tool('who', name='Ann')", {"who": lambda name: name}) == "Ann"


def test_name_that_is_no_identifier_works_by_call_tool_only(guest):
    tools = {"get-user": lambda key: key, "__name__": lambda: 1}
    assert guest.value("call_tool('get-user', key=5), __name__, call_tool('__name__')", tools) == (
        5,
        "__main__",
        1,
    )


def test_tool_does_not_hide_what_the_code_defines(guest):
    assert guest.value("def add(a):\n    return 'mine'\nadd(1)", {"add": add}) == "mine"


def test_input_comes_before_a_tool_of_its_name(guest):
    assert guest.value("add", {"add": add}, inputs={"add": 5}) == 5


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        ("fail(key='x')", "ToolError", "tool 'fail' failed: KeyError: 'no x'"),
        ("silent()", "ToolError", "tool 'silent' failed: ValueError"),
        ("call_tool('nothing')", "ToolError", "tool 'nothing' failed: KeyError: 'nothing'"),
        ("picky()", "TypeError", "picky: missing argument 'a'"),
        (
            "add(a='x', b=1, c=2)",
            "ToolError",
            "tool 'add' failed: TypeError: add() got an unexpected keyword argument 'c'",
        ),
        (
            "add(a='x', b=1)",
            "ToolError",
            "tool 'add' failed: TypeError: can only concatenate str (not \"int\") to str",
        ),
        ("call_tool(5)", "TypeError", "call_tool: the name of a tool is a str, not int"),
        (
            "call_tool('add', 1)",
            "TypeError",
            "call_tool('add'): arguments go by keyword, as in call_tool('add', key=value)",
        ),
        (
            "add(a=[1, print])",
            "ValueNotSendableError",
            "tool 'add': a[1]: cannot send a builtin_function_or_method",
        ),
        (
            "add(print)",
            "ValueNotSendableError",
            "tool 'add': arguments[0]: cannot send a builtin_function_or_method",
        ),
    ],
)
def test_call_that_fails_raises(guest, call, kind, message):
    def fail(key):
        raise KeyError(f"no {key}")

    def silent():
        raise ValueError

    def picky():
        raise ArgumentError("picky: missing argument 'a'")

    tools = {"add": add, "fail": fail, "silent": silent, "picky": picky}
    assert guest.value(CATCH + f"attempt(lambda: {call})", tools) == [kind, message]


@pytest.mark.parametrize(
    "call",
    [
        "add(a=print)",
        "add(a='\\ud800')",
        "add(**{'\\ud800': 1})",
        "add(a=bytes(16 << 20))",
        "add(a=[0] * 1_000_000)",
        "call_tool('\\ud800')",
        "call_tool('n' * 129)",
        "call_tool('add', 1)",
        "call_tool()",
        "call_tool(name='add')",
    ],
)
def test_call_that_cannot_be_sent_sends_nothing(guest, call):
    kind, _ = guest.value(CATCH + f"attempt(lambda: {call})", {"add": add})
    assert kind in ("ValueNotSendableError", "TypeError", "ValueError")
    assert "ToolCall" not in [name for name, _ in guest.frames]


def test_unsendable_argument_is_a_type_error(guest):
    code = "try:\n    add(a=print)\nexcept TypeError:\n    found = True\nfound"
    assert guest.value(code, {"add": add}) is True


def test_failure_has_attributes_and_can_be_caught_by_name(guest):
    def fail():
        raise KeyError("k")

    code = """
import copy, pickle
try:
    fail()
except ToolError as error:
    caught = error
again = pickle.loads(pickle.dumps(caught))
[isinstance(caught, RuntimeError)] + [[e.tool, e.type, e.message, str(e)] for e in (caught, again, copy.copy(caught))]
"""
    row = ["fail", "KeyError", "'k'", "tool 'fail' failed: KeyError: 'k'"]
    assert guest.value(code, {"fail": fail}) == [True, row, row, row]


def test_large_values_cross_both_ways(guest):
    code = "data = bytes(8_000_000)\nback(data=data) == data + b'!'"
    assert guest.value(code, {"back": lambda data: data + b"!"}) is True


def test_call_at_the_bottom_of_a_recursion_keeps_step(guest):
    code = """
done = 0
def down(n):
    global done
    try:
        down(n + 1)
    except RecursionError:
        pass
    try:
        add(a=n)
        done += 1
    except RecursionError:
        pass
down(0)
[done > 100, add(a=41)]
"""
    assert guest.value(code, {"add": add}) == [True, 42]


def test_call_from_a_finalizer_during_a_call_raises_and_keeps_step(guest):
    code = """
import gc
class Caller:
    def __del__(self):
        try:
            add(a=1)
        except RuntimeError as error:
            pass
gc.set_threshold(1)
for n in range(200):
    caller = Caller()
    caller.me = caller
    del caller
    add(a=n)
gc.set_threshold(700)
add(a=1)
"""
    assert guest.value(code, {"add": add}) == 2


def test_call_with_the_device_closed_opens_it_again(guest):
    assert guest.value("import os\nos.closerange(3, 899)\nos.close(1021)\nadd(a=1)", {"add": add}) == 2


def test_first_file_of_a_program_has_the_number_it_has_natively(guest):
    assert guest.value("open('/dev/null').fileno()") < 20


def test_answer_that_is_none_ends_the_process(guest):
    guest.send("RunRequest", request("call_tool('x')"))
    guest.receive("ToolCall")
    guest.send("ToolReply", {"id": 2, "ok": 1})
    assert guest.process.wait(10) == 70


@pytest.mark.parametrize("kind", ["ToolReply", "OutputAck", "Ready"])
def test_request_that_is_none_ends_the_process(guest, kind):
    guest.send(kind, {})
    assert guest.process.wait(10) == 70


def request(code):
    return {
        "code": code,
        "name": "<code>",
        "inputs": {},
        "tools": [],
        "keep": False,
        "seed": bytes(32),
        "max_value": 1000,
    }
