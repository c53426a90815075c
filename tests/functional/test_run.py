"""One run: what goes in, what comes out, and what is left for the next."""

import dataclasses
import datetime as dt
import enum

import pytest

from corpus import canonical
from plain_values import VALUES


@pytest.mark.parametrize("name", VALUES)
def test_value_crosses_both_ways_unchanged(sandbox, name):
    value = VALUES[name]
    code = "[None if isinstance(value, (set, frozenset)) else repr(value), value]"
    result = sandbox.run(code, inputs={"value": value})
    seen, returned = result.value
    assert canonical(returned) == canonical(value)
    assert seen == (None if isinstance(value, (set, frozenset)) else repr(value))


def test_dataclass_becomes_a_dict(sandbox):
    @dataclasses.dataclass
    class Inner:
        day: dt.date

    @dataclasses.dataclass
    class Outer:
        name: str
        inner: Inner

    given = Outer("x", Inner(dt.date(2024, 1, 1)))
    assert sandbox.run("value", inputs={"value": given}).value == {
        "name": "x",
        "inner": {"day": dt.date(2024, 1, 1)},
    }


def test_dataclass_of_the_guest_becomes_a_dict(sandbox):
    code = """
from dataclasses import dataclass
@dataclass
class Row:
    id: int
    tags: list
[Row(1, ["a"]), {"row": Row(2, [])}]
"""
    assert sandbox.run(code).value == [{"id": 1, "tags": ["a"]}, {"row": {"id": 2, "tags": []}}]


def test_pydantic_model_becomes_a_dict(sandbox):
    pydantic = pytest.importorskip("pydantic")

    class User(pydantic.BaseModel):
        name: str
        age: int = 3

    assert sandbox.run("value", inputs={"value": [User(name="Ann")]}).value == [{"name": "Ann", "age": 3}]


def test_subclasses_of_plain_types_become_the_plain_type(sandbox):
    code = """
import collections, enum
class Level(enum.IntEnum):
    HIGH = 3
class Name(str):
    pass
Point = collections.namedtuple("Point", "x y")
mappings = [collections.OrderedDict(a=1), collections.Counter("aab"), collections.defaultdict(list, k=[1])]
[Level.HIGH, Name("n"), Point(1, 2), *mappings]
"""
    value = sandbox.run(code).value
    assert canonical(value) == canonical([3, "n", (1, 2), {"a": 1}, {"a": 2, "b": 1}, {"k": [1]}])


def test_subclasses_of_plain_types_as_inputs_become_the_plain_type(sandbox):
    class Level(enum.IntEnum):
        HIGH = 3

    assert sandbox.run("type(value).__name__, value", inputs={"value": Level.HIGH}).value == ("int", 3)


def test_named_zone_becomes_its_offset(sandbox):
    zoneinfo = pytest.importorskip("zoneinfo")
    try:
        zone = zoneinfo.ZoneInfo("Europe/Paris")
    except zoneinfo.ZoneInfoNotFoundError:
        pytest.skip("this machine has no time zone data")
    summer = dt.datetime(2024, 7, 1, 12, tzinfo=zone)
    value = sandbox.run("value", inputs={"value": summer}).value
    assert (value, value.tzinfo) == (summer, dt.timezone(dt.timedelta(hours=2)))


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("1 + 1", 2),
        ("x = 5", None),
        ("x = 5\nx", 5),
        ("x = 5\nx;", 5),
        ("x = 1; x + 1", 2),
        ("if True:\n    7", None),
        ("def f():\n    return 1", None),
        ("None", None),
        ("print('x')", None),
        ("", None),
        ("\n\n# only a comment\n", None),
        ('"""a docstring"""', "a docstring"),
        ("[\n    1,\n    2,\n]\n\n# after", [1, 2]),
        ("lambda_value = (lambda: 3)()\nlambda_value", 3),
        ("yielded = [n for n in range(3)]\nyielded", [0, 1, 2]),
        ("(y := 4)", 4),
        ("x = 1\r\nx + 1\r\n", 2),
        ("\ufeff3", 3),
        ("# -*- coding: latin-1 -*-\n'é'", "é"),
    ],
)
def test_value_is_that_of_the_last_expression(sandbox, code, value):
    result = sandbox.run(code)
    assert (result.value, result.error) == (value, None)


def test_stdout_and_stderr_are_apart_and_complete(sandbox):
    code = "import sys, os\nprint('out é')\nprint('err', file=sys.stderr)\nos.write(1, b'raw')\nos.write(2, b'raw err')"
    result = sandbox.run(code)
    assert sorted([result.stdout, result.stderr]) == ["err\nraw err", "out é\nraw"]


def test_output_without_line_end_arrives(sandbox):
    result = sandbox.run("import sys\nprint('a', end='')\nsys.stderr.write('b')\n0")
    assert (result.stdout, result.stderr) == ("a", "b")


def test_output_of_a_megabyte_arrives_whole(sandbox):
    assert sandbox.run("print('é' * 400_000, end='')").stdout == "é" * 400_000


def test_bytes_that_are_not_text_arrive_replaced(sandbox):
    assert sandbox.run("import os\nos.write(1, b'a\\xffb')\n0").stdout == "a\ufffdb"


def test_character_cut_between_two_writes_arrives_whole(sandbox):
    code = "import os\nos.write(1, '€'.encode()[:1])\nos.write(1, '€'.encode()[1:])\n0"
    assert sandbox.run(code).stdout == "€"


def test_inputs_are_globals_of_the_run(sandbox):
    result = sandbox.run("sorted([a, b['k']]), 'a' in globals()", inputs={"a": 2, "b": {"k": 1}})
    assert result.value == ([1, 2], True)


def test_input_with_a_name_that_is_no_identifier_is_refused(sandbox):
    import hypercell

    with pytest.raises(hypercell.PolicyError):
        sandbox.run("0", inputs={"not a name": 1})


def test_input_that_cannot_cross_is_refused_before_the_run(sandbox):
    import hypercell

    with pytest.raises(hypercell.ValueNotSendableError) as caught:
        sandbox.run("0", inputs={"rows": [1, {"k": object()}]})
    assert str(caught.value) == 'inputs["rows"][1]["k"]: cannot send an object'
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("[1, {'k': open('/dev/null')}]", 'result[1]["k"]: cannot send a TextIOWrapper'),
        ("print", "result: cannot send a builtin_function_or_method"),
        ("(n for n in ())", "result: cannot send a generator"),
        ("{'m': __import__('sys')}", 'result["m"]: cannot send a module'),
        (
            "object()",
            "result: cannot send an object",
        ),
        ("['a', '\\ud800']", "result[1]: cannot send a str with a lone surrogate ('\\ud800' at 0)"),
    ],
)
def test_value_that_cannot_cross_is_an_error_of_the_run_naming_its_path(sandbox, expression, message):
    result = sandbox.run(expression)
    assert result.value is None
    assert (result.error.type, result.error.message) == ("ValueNotSendableError", message)


def test_value_that_contains_itself_is_an_error_of_the_run(sandbox):
    result = sandbox.run("loop = []\nloop.append(loop)\nloop")
    assert result.error.type == "ValueNotSendableError"


LEAVE_TRACES = """
import json, os
left = 1
json.left = 1
os.environ["LEFT"] = "1"
with open("/tmp/left", "w") as f:
    f.write("left")
def more(n):
    return left + n
"""
FIND_TRACES = """
import json, os
["left" in globals(), "more" in globals(), hasattr(json, "left"), "LEFT" in os.environ, os.path.exists("/tmp/left")]
"""


def test_each_run_starts_fresh(sandbox):
    sandbox.run(LEAVE_TRACES).raise_for_error()
    assert sandbox.run(FIND_TRACES).value == [False] * 5


def test_kept_state_lasts_until_reset(make_sandbox):
    box = make_sandbox(keep_state=True)
    box.run(LEAVE_TRACES).raise_for_error()
    assert box.run(FIND_TRACES).value == [True] * 5
    assert box.run("left += 1\nmore(5)").value == 7
    box.reset()
    assert box.run(FIND_TRACES).value == [False] * 5


def test_kept_state_survives_an_error(make_sandbox):
    box = make_sandbox(keep_state=True)
    assert box.run("x = 1\n1 / 0").error.type == "ZeroDivisionError"
    assert box.run("x").value == 1


def test_kept_state_does_not_keep_inputs_of_another_sandbox(make_sandbox):
    one, two = make_sandbox(keep_state=True), make_sandbox(keep_state=True)
    one.run("0", inputs={"secret": 5})
    assert two.run("'secret' in globals()").value is False


def test_error_has_type_message_traceback_and_line(sandbox):
    code = "def outer(n):\n    return inner(n)\n\ndef inner(n):\n    return 10 / n\n\nprint('before')\nouter(0)\n"
    result = sandbox.run(code)
    assert (result.error.type, result.error.message, result.error.line) == (
        "ZeroDivisionError",
        "division by zero",
        5,
    )
    lines = [line for line in result.error.traceback.splitlines() if not set(line) <= set(" ^~")]
    assert lines == [
        "Traceback (most recent call last):",
        '  File "<code>", line 8, in <module>',
        "    outer(0)",
        '  File "<code>", line 2, in outer',
        "    return inner(n)",
        '  File "<code>", line 5, in inner',
        "    return 10 / n",
        "ZeroDivisionError: division by zero",
    ]
    assert (result.value, result.stdout) == (None, "before\n")


def test_line_numbers_of_a_later_run_are_its_own(make_sandbox):
    box = make_sandbox(keep_state=True)
    box.run("\n\n\n\ndef fail():\n    raise KeyError('first code')\n")
    result = box.run("\nfail()")
    assert result.error.line in (2, 6)
    assert result.error.traceback.splitlines()[1] == '  File "<code>", line 2, in <module>'
    assert result.error.traceback.splitlines()[2] == "    fail()"


def test_raise_for_error_raises_only_after_an_error(sandbox):
    import hypercell

    sandbox.run("1").raise_for_error()
    with pytest.raises(hypercell.GuestCodeError) as caught:
        sandbox.run("{}['k']").raise_for_error()
    assert "KeyError: 'k'" in str(caught.value).splitlines()[-1]


def test_usage_says_what_the_run_took(make_sandbox):
    box = make_sandbox(tools={"ping": lambda: 1})
    usage = box.run("import time\ntime.sleep(0.05)\nprint('12345')\n[ping() for _ in range(3)]").usage
    assert usage.tool_calls == 3
    assert usage.output_bytes == 6
    assert 0.05 <= usage.wall_time_s < 5
    assert usage.memory_peak_bytes > 0


def test_a_thousand_runs_in_one_sandbox(sandbox):
    assert [sandbox.run(f"{n} * 2").value for n in range(1000)] == [n * 2 for n in range(1000)]
