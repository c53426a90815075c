"""One run: its value, its globals, and what stays for the next."""

import random
import sys

import pytest


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("1 + 1", 2),
        ("x = 5", None),
        ("x = 5\nx;", 5),
        ("x = 1; x + 1", 2),
        ("if True:\n    7", None),
        ("def f():\n    return 1", None),
        ("", None),
        ("\n\n# only a comment\n", None),
        ('"""a docstring"""', "a docstring"),
        ("[\n    1,\n    2,\n]\n\n# after", [1, 2]),
        ("(y := 4)", 4),
        ("x = 1\r\nx + 1\r\n", 2),
        ("\ufeff3", 3),
        ("# -*- coding: latin-1 -*-\n'é'", "é"),
        ("from __future__ import annotations\ndef f(x: Missing): ...\nf.__annotations__", {"x": "Missing"}),
    ],
)
def test_value_is_that_of_the_last_expression(guest, code, value):
    assert guest.run(code) == {"value": value}


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("result = 5", 5),
        ("result = 5\nif True:\n    other = 6", 5),
        ("def f():\n    global result\n    result = 7\nf()\nx = 1", 7),
        ("result = 5\nNone", None),
        ("result: int\nx = 1", None),
        ("for result in range(3): pass", 2),
    ],
)
def test_variable_result_is_the_value_where_no_expression_ends_the_code(guest, code, value):
    assert guest.run(code) == {"value": value}


def test_result_of_an_earlier_run_or_an_input_is_not_the_value_of_this_one(guest):
    assert guest.run("result = 5", keep=True) == {"value": 5}
    assert guest.run("other = result", keep=True) == {"value": None}
    assert guest.run("result = 5", keep=True) == {"value": 5}
    assert guest.run("x = result", inputs={"result": 3}) == {"value": None}


def test_await_outside_of_functions_runs_on_an_event_loop(guest):
    code = "import asyncio\nprint(1)\nawait asyncio.sleep(0)\n[n async for n in aiter_of(3)][-1]"
    before = "async def aiter_of(n):\n    for m in range(n):\n        yield m\n"
    assert guest.run(before + code) == {"value": 2}


def test_main_is_a_module_of_each_run(guest):
    code = """
import sys, pickle, dataclasses
@dataclasses.dataclass
class Point:
    x: "int"
copy = pickle.loads(pickle.dumps(Point(3)))
main = sys.modules["__main__"]
[__name__, copy == Point(3), main.__dict__ is globals(), type(main).__name__, Point.__module__]
"""
    assert guest.value(code) == ["__main__", True, True, "module", "__main__"]
    assert guest.value("'Point' in globals()") is False


def test_globals_are_those_of_a_program_and_the_inputs(guest):
    code = "sorted(name for name in globals() if name[:2] != '__'), a + 1"
    assert guest.value(code, inputs={"a": 1}) == (
        ["ToolError", "a", "call_tool", "call_tool_async"],
        2,
    )


def test_arguments_of_the_program_are_its_name(guest):
    assert guest.value("import sys\nsys.argv", name="block.py") == ["block.py"]


def test_kept_globals_last_until_reset(guest):
    guest.run("x = 1\nimport random; random.seed(5)", keep=True)
    assert guest.value("x", keep=True) == 1
    assert guest.error("y = 2\n1 / 0", keep=True)[0] == "ZeroDivisionError"
    assert guest.value("x + y", keep=True) == 3
    assert guest.ask("Reset", {}, "Ready") == guest.ready
    assert guest.error("x", keep=True)[0] == "NameError"


def test_globals_of_a_run_that_does_not_keep_are_gone(guest):
    guest.run("x = 1", keep=True)
    assert guest.error("x")[0] == "NameError"
    guest.run("x = 1")
    assert guest.error("x", keep=True)[0] == "NameError"


def test_tool_that_kept_code_replaced_stays_replaced(guest):
    tools = {"add": lambda a: a}
    guest.run("def add(a):\n    return 'mine'", tools, keep=True)
    assert guest.value("add(1)", tools, keep=True) == "mine"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("[1, {'k': open('/dev/null')}]", 'result[1]["k"]: cannot send a TextIOWrapper'),
        ("{'m': __import__('sys')}", 'result["m"]: cannot send a module'),
        ("x = 1\nobject()", "result: cannot send an object"),
    ],
)
def test_value_that_cannot_cross_is_an_error_that_keeps_the_output(guest, expression, message):
    done = guest.run("print('before')\n" + expression)
    line = expression.count("\n") + 2
    traceback = f"ValueNotSendableError: {message}\n"
    assert done == {"err": {"type": "ValueNotSendableError", "msg": message, "tb": traceback, "line": line}}
    assert done.out == "before\n"


def test_value_above_the_limit_of_the_run_is_an_error(guest):
    assert guest.value("bytes(997)", max_value=1000) == bytes(997)
    assert guest.error("bytes(998)", max_value=1000)[0] == "ValueNotSendableError"


def test_copy_takes_new_random_numbers_between_runs_and_keeps_what_was_kept(guest):
    guest.run("import random\nrandom.seed(5)\nkept = 1", keep=True)
    assert guest.ask("Reseed", {"seed": b"\1" * 32}, "Reseeded") == {}
    expected = random.Random(int.from_bytes(b"\1" * 32, "big")).random()
    assert guest.value("(kept, random.random())", keep=True) == (1, expected)


def test_copy_takes_new_random_numbers_while_it_waits_for_a_tool(guest):
    def ask():
        assert guest.ask("Reseed", {"seed": b"\2" * 32}, "Reseeded") == {}
        return "yes"

    expected = random.Random(int.from_bytes(b"\2" * 32, "big")).random()
    code = "import random\nrandom.seed(5)\n(call_tool('ask'), random.random())"
    assert guest.value(code, {"ask": ask}) == ("yes", expected)


@pytest.mark.parametrize("body", [{"seed": b"short"}, {}, b"\xff"])
def test_copy_without_new_random_numbers_ends(guest, body):
    guest.send("Reseed", body)
    assert guest.process.wait(10) == 70


@pytest.mark.parametrize("seed", [None, b"", bytes(31), bytes(33), "x" * 32, [0] * 32])
def test_run_without_fresh_random_numbers_is_refused(guest, seed):
    done = guest.run("print('never')", seed=seed)
    assert (done["err"]["type"], done["err"]["msg"]) == (
        "RuntimeError",
        "no fresh random numbers: the seed must be 32 bytes",
    )
    assert done.out == ""
    assert guest.value("1") == 1


def test_seed_alone_decides_pseudo_random_numbers(guest):
    guest.ask("Warm", {"modules": ["random", "uuid", "tempfile"]}, "Warmed")
    code = "import random, tempfile\n[random.random(), random.gauss(0, 1)]"
    one, two = guest.value(code, seed=bytes(32)), guest.value(code, seed=b"\1" * 32)
    assert one != two
    assert guest.value(code, seed=bytes(32)) == one


def test_seed_set_by_kept_code_holds(guest):
    guest.run("import random\nrandom.seed(5)", keep=True)
    import random

    assert guest.value("random.random()", keep=True, seed=b"\1" * 32) == random.Random(5).random()


def test_state_of_unique_names_is_made_anew(guest):
    guest.run("import tempfile, uuid\ntempfile.mktemp()\nuuid._last_timestamp = uuid._node = 5")
    code = "[tempfile._name_sequence, uuid._last_timestamp, uuid._node]"
    assert guest.value("import tempfile, uuid\n" + code) == [None, None, None]


def test_numpy_is_reseeded():
    numpy_random = pytest.importorskip("numpy.random")
    from hypercell_guest.fresh import reseed

    drawn = []
    for seed in (bytes(32), b"\1" * 32, bytes(32)):
        reseed(seed)
        # A normal number leaves another one for the next call, which is not to survive.
        drawn.append((numpy_random.normal(), numpy_random.random()))
    assert drawn[0] == drawn[2] != drawn[1]


def test_functions_for_the_exit_run_at_the_end(guest):
    done = guest.run("import atexit\natexit.register(print, 'bye')\n1")
    assert (done, done.out) == ({"value": 1}, "bye\n")
    assert guest.run("1").out == ""


def test_warm_reports_modules_that_fail(guest):
    answer = guest.ask("Warm", {"modules": ["json", "no_such_module", "antigravity.nothing"]}, "Warmed")
    assert [name for name, _ in answer["failed"]] == ["no_such_module", "antigravity.nothing"]
    assert answer["failed"][0][1] == "ModuleNotFoundError: No module named 'no_such_module'"
    assert guest.value("import sys, gc\n['json' in sys.modules, gc.get_freeze_count() > 1000]") == [
        True,
        True,
    ]


def test_warm_leaves_nothing_of_its_programs(guest):
    guest.ask("Warm", {"modules": []}, "Warmed")
    assert [name for name, _ in guest.frames] == ["Ready", "Warmed"]
    assert guest.error("fail")[0] == "NameError"


def test_version_is_said_at_the_start(guest):
    assert guest.ready == {"python": "{}.{}.{}".format(*sys.version_info[:3]), "impl": "cpython"}


def test_code_of_a_megabyte_runs(guest):
    assert guest.value("x = 1\n" * 100_000 + "x") == 1
