"""Exceptions of submitted code: type, message, line, and the traceback that the interpreter prints."""

import re
import subprocess
import sys

import pytest

PROGRAMS = {
    "plain": "def f(n):\n    return 10 // n\n\nf(0)",
    "cause": "try:\n    {}['k']\nexcept KeyError as e:\n    raise ValueError('x') from e",
    "context": "try:\n    {}['k']\nexcept KeyError:\n    1 / 0",
    "suppressed": "try:\n    {}['k']\nexcept KeyError:\n    raise ValueError('x') from None",
    "in_library": "import json\njson.loads('{')",
    "recursion": "def down(n):\n    return down(n + 1)\ndown(0)",
    "multi_line": "x = (1 +\n    2 *\n    'a' ** 2)\n",
    "name": "customers = 1\ncustumers",
    "attribute": "import math\nmath.squareroot",
    "syntax": "x = 1\nfor y in",
    "indentation": "if True:\n        x = 1\n    y = 2",
    "unclosed": "print('a'\nx = 2",
    "unicode": "é = 1\nç = 'ü'  # ç\n1 / 0",
    "own_class": "class Awkward(Exception):\n    def __str__(self):\n        raise ValueError\nraise Awkward",
    "base": "raise BaseException('b')",
    "interrupt": "raise KeyboardInterrupt",
    "several_lines": "raise ValueError('a\\nb\\nc')",
    "form_feed": "x = '''\x0c\u2028'''\n1 / 0",
    "exec": "exec('1 / 0')",
    "last_expression": "x = 1\n[1, 2,\n 3][\n 5]",
    "group": "raise ExceptionGroup('g', [ValueError(1), TypeError('t')])",
    "notes": "e = ValueError('v')\ne.add_note('a note')\nraise e",
}
# Until 3.11 only the interpreter itself, and not `traceback`, suggests other names.
NEWER = {"group": (3, 11), "notes": (3, 11), "name": (3, 12), "attribute": (3, 12)}


@pytest.mark.parametrize("name", PROGRAMS)
def test_traceback_is_the_one_that_the_interpreter_prints(guest, tmp_path, name):
    if sys.version_info < NEWER.get(name, ()):
        pytest.skip("needs a newer Python")
    program = tmp_path / "program.py"
    program.write_text(PROGRAMS[name], encoding="utf-8")
    native = subprocess.run([sys.executable, "-I", program], capture_output=True, encoding="utf-8")
    error = guest.run(PROGRAMS[name], name=str(program))["err"]
    assert without_depth(error["tb"]) == without_depth(native.stderr)


def without_depth(text):
    text = text.replace("<exception str() failed>", "<unprintable Awkward object>").replace(
        "__main__.Awk", "Awk"
    )
    return re.sub(r"repeated \d+ more times", "repeated", text)


@pytest.mark.parametrize(
    ("code", "kind", "message", "line"),
    [
        (
            "def f(n):\n    return 10 // n\n\nf(0)",
            "ZeroDivisionError",
            "integer division or modulo by zero",
            2,
        ),
        (
            "\n\nimport json\njson.loads('')",
            "JSONDecodeError",
            "Expecting value: line 1 column 1 (char 0)",
            4,
        ),
        ("raise KeyError('k')", "KeyError", "'k'", 1),
        (
            "class E(Exception):\n    def __str__(self):\n        1/0\nraise E",
            "E",
            "<exception str() failed>",
            4,
        ),
        ("raise ValueError('a\\ud800b')", "ValueError", "a\\ud800b", 1),
        ("raise KeyboardInterrupt('k')", "KeyboardInterrupt", "k", 1),
        ("raise GeneratorExit", "GeneratorExit", "", 1),
        ("compile('x = ', 'other', 'exec')", "SyntaxError", "invalid syntax (other, line 1)", 1),
        ("import asyncio\nasync def f():\n    raise LookupError('l')\nawait f()", "LookupError", "l", 3),
    ],
)
def test_error_has_type_message_and_line(guest, code, kind, message, line):
    error = guest.run(code)["err"]
    assert (error["type"], error["msg"], error["line"]) == (kind, message, line)


@pytest.mark.parametrize(
    ("code", "kind", "line"),
    [
        ("x = (1", "SyntaxError", 1),
        ("if True:\nx = 1", "IndentationError", 2),
        ("return 5", "SyntaxError", 1),
        ("yield 1", "SyntaxError", 1),
        ("def f():\n    await g()", "SyntaxError", 2),
        ("(" * 5000 + ")" * 5000, None, None),
        ("x = 1\0", None, None),
    ],
)
def test_code_that_does_not_compile_is_an_error_and_does_not_run(guest, code, kind, line):
    done = guest.run(code + "\nprint('never')" if "\0" not in code else code)
    assert done.out == ""
    if kind is not None:
        assert (done["err"]["type"], done["err"]["line"]) == (kind, line)
    assert guest.value("1") == 1


def test_frames_of_this_package_are_not_shown(guest):
    def fail():
        raise ValueError("no")

    code = "try:\n    fail()\nexcept ToolError as e:\n    raise KeyError('again') from e"
    traceback = guest.run(code, {"fail": fail})["err"]["tb"]
    files = [line.strip() for line in traceback.splitlines() if line.startswith("  File")]
    assert files == ['File "<code>", line 2, in <module>', 'File "<code>", line 4, in <module>']


def test_frames_of_the_event_loop_are_not_shown_above_the_code(guest):
    traceback = guest.run("async def f():\n    1 / 0\nawait f()")["err"]["tb"]
    files = [line.strip() for line in traceback.splitlines() if line.startswith("  File")]
    assert files == ['File "<code>", line 3, in <module>', 'File "<code>", line 2, in f']


@pytest.mark.parametrize(
    "code", ["import sys; sys.exit()", "import sys; sys.exit(0)", "raise SystemExit", "quit()"]
)
def test_leaving_with_status_0_is_no_error(guest, code):
    done = guest.run("print('before')\n" + code + "\nprint('after')")
    assert (done, done.out) == ({"value": None, "exit": 0}, "before\n")


@pytest.mark.parametrize(
    ("code", "message", "status"),
    [
        ("import sys; sys.exit(3)", "3", 3),
        ("import sys; sys.exit(True)", "True", 1),
        ("import sys; sys.exit('went wrong')", "went wrong", 1),
        ("raise SystemExit([1])", "[1]", 1),
        ("import sys; sys.exit(-1)", "-1", 255),
        ("exit(4)", "4", 4),
    ],
)
def test_leaving_with_another_status_is_an_error(guest, code, message, status):
    done = guest.run("print('before')\n" + code + "\nprint('after')")
    assert (done["err"]["type"], done["err"]["msg"], done["exit"]) == ("SystemExit", message, status)
    assert done.out == "before\n"
    assert guest.value("1") == 1


def test_long_texts_are_cut_in_the_middle(guest):
    error = guest.run("raise ValueError('a' * 100_000 + 'é' * 100_000 + 'z' * 10)")["err"]
    for text in (error["msg"], error["tb"]):
        assert len(text.encode()) <= 65536
        assert re.search(r"\n\[\.\.\. about \d+ bytes left out \.\.\.\]\n", text)
    assert error["msg"].startswith("aaaa")
    assert error["msg"].endswith("é" + "z" * 10)
    assert error["tb"].startswith("Traceback")


@pytest.mark.parametrize("size", [65530, 65536, 65537, 70_000])
def test_text_around_the_limit_is_whole_or_marked(guest, size):
    message = guest.error(f"raise ValueError('x' * {size})")[1]
    assert (message == "x" * size) == (size <= 65536)
    assert len(message) <= 65536


def test_cyclic_causes_are_reported(guest):
    error = guest.run("a, b = ValueError('a'), ValueError('b')\na.__cause__, b.__cause__ = b, a\nraise a")[
        "err"
    ]
    assert error["tb"].endswith("ValueError: a\n")


LIMITED = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 28, -1))\n"


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize(
    "bomb",
    [
        "data = []\nwhile True: data.append(bytes(1 << 20))",
        "data = {}\nn = 0\nwhile True:\n    data[n] = str(n) * 100\n    n += 1",
        "def f():\n    data = []\n    while True: data.append([None])\nf()",
        "x = 'x' * (1 << 40)",
        "data = []\ntry:\n    while True: data.append({})\nexcept MemoryError:\n    while True: data.append({})",
    ],
)
def test_memory_error_is_answered_and_the_next_run_is_fine(guest, bomb, keep):
    assert guest.error(LIMITED + bomb, keep=keep)[0] == "MemoryError"
    guest.ask("Reset", {}, "Ready")
    assert guest.value("len(bytes(1 << 20))") == 1 << 20


@pytest.mark.skipif(
    sys.version_info[:2] not in ((3, 11), (3, 12)), reason="this interpreter crashes by itself"
)
def test_memory_used_up_by_frames_is_answered(guest):
    code = "import sys\nsys.setrecursionlimit(10**9)\ndef f(n):\n    return f(n + 1)\nf(0)"
    error = guest.run(LIMITED + code)["err"]
    assert error["type"] in ("MemoryError", "SystemError")
    assert error["tb"].count("File") < 50
    assert guest.value("1") == 1


def test_result_without_memory_to_encode_it_is_a_memory_error(guest):
    code = LIMITED + "['x' * 1000 * 1000 * 8] * 20"
    assert guest.error(code, max_value=1 << 40)[0] in ("MemoryError", "ValueNotSendableError")
    assert guest.value("1") == 1


SABOTAGE = {
    "builtins": "import builtins\nfor name in list(vars(builtins)):\n    delattr(builtins, name)",
    "builtins_replaced": "import builtins\nbuiltins.len = builtins.isinstance = builtins.type = None",
    "os": "import os\nos.write = os.read = os.dup2 = os.open = os._exit = None",
    "modules": "import sys\nsys.modules.clear()",
    "modules_replaced": "import sys\nsys.modules = None",
    "traceback": "import traceback\nfor name in list(vars(traceback)):\n    delattr(traceback, name)",
    "linecache": "import linecache\nlinecache.cache = linecache.getlines = None",
    "streams": "import sys\nsys.stdout = sys.stderr = sys.stdin = None",
    "streams_deleted": "import sys\ndel sys.stdout, sys.stderr, sys.__stdout__",
    "streams_closed": "import sys\nsys.stdout.close()\nsys.stderr.close()\nsys.stdin.close()",
    "streams_detached": "import sys\nsys.stdout.detach()\nsys.stdin.detach()",
    "streams_broken": "class Broken:\n    def __getattr__(self, name):\n        raise BaseException\n"
    "import sys\nsys.stdout = sys.stderr = Broken()",
    "trace": "import sys\nsys.settrace(lambda *_: 1 / 0)",
    "profile": "import sys\ndef profile(*_):\n    raise BaseException\nsys.setprofile(profile)",
    "hooks": "import sys, threading, gc\ngc.disable()\nthreading.excepthook = 5\n"
    "sys.excepthook = sys.unraisablehook = sys.displayhook = None",
    "recursion_limit": "import sys\nsys.setrecursionlimit(40)",
    "main": "import sys\ndel sys.modules['__main__']\nglobals().clear()",
    "device": "import os\nos.closerange(3, 899)\nos.closerange(901, 1100)",
    "device_replaced": "import os\nos.dup2(os.open('/dev/null', os.O_RDWR), 1021)",
    "own_package": "import sys\nsys.modules.pop('hypercell_guest.codec')",
    "warnings": "import warnings\nwarnings.simplefilter('error')",
    "atexit": "import atexit\natexit.register(lambda: 1 / 0)",
}


@pytest.mark.parametrize("name", SABOTAGE)
@pytest.mark.parametrize("ending", ["", "\n1/0", "\nraise SystemExit(3)"])
def test_loop_survives_what_code_does_to_the_interpreter(guest, name, ending):
    done = guest.run(SABOTAGE[name] + ending)
    assert "err" in done or not ending
    assert guest.run("1 + 1") == {"value": 2}
    assert guest.error("{}['k']") == ("KeyError", "'k'")


def test_broken_traceback_module_still_gives_frames(guest):
    done = guest.run(
        "import traceback\nfor name in list(vars(traceback)):\n    delattr(traceback, name)\n1 / 0"
    )
    assert done["err"]["tb"] == (
        'Traceback (most recent call last):\n  File "<code>", line 4, in <module>\n'
        "ZeroDivisionError: division by zero\n"
    )
