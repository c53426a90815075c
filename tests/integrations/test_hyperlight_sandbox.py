"""The stand-in for hyperlight_sandbox: what the README and docstrings of hyperlight-sandbox 0.8.0 promise."""

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest

import hypercell
from hypercell._limits import MAX_MEMORY_BYTES
from hypercell.integrations import hyperlight_sandbox
from hypercell.integrations.hyperlight_sandbox import CodeExecutionTool, ExecutionResult, SandboxEnvironment


@pytest.fixture
def make(hypercell_with_image):
    boxes = []

    def make_one(tools=None, **options):
        boxes.append(hyperlight_sandbox.Sandbox(**options))
        for name, function in (tools or {}).items():
            boxes[-1].register_tool(name, function)
        return boxes[-1]

    yield make_one
    for box in boxes:
        box.close()


def printed(box, code):
    result = box.run(code)
    assert result.success, result.stderr
    return result.stdout


def test_run_returns_output_and_status(make):
    box = make()
    assert box.run("import sys\nprint('out')\nprint('err', file=sys.stderr)") == ExecutionResult(
        "out\n", "err\n", 0
    )


@pytest.mark.parametrize(
    "code", ["6 * 7", "print  # a comment", "if True:\n    object()", "result = object()"]
)
def test_value_of_the_last_expression_is_not_returned_and_may_be_anything(make, code):
    assert make().run(code) == ExecutionResult("", "", 0)


def test_exception_is_in_stderr_with_its_traceback(make):
    result = make().run("print('before')\nraise ValueError('boom')")
    assert (result.stdout, result.exit_code, result.success) == ("before\n", 1, False)
    assert result.stderr == (
        "Traceback (most recent call last):\n"
        '  File "<code>", line 2, in <module>\n'
        "    raise ValueError('boom')\n"
        "ValueError: boom\n"
    )


@pytest.mark.parametrize(
    ("given", "code", "stderr"),
    [("0", 0, ""), ("3", 3, ""), ("", 0, ""), ("'bye'", 1, "bye\n"), ("'3'", 1, "3\n")],
)
def test_exit_status_is_that_of_sys_exit(make, given, code, stderr):
    assert make().run(f"import sys\nsys.exit({given})") == ExecutionResult("", stderr, code)


def test_globals_stay_until_restore(make):
    box = make()
    box.run("counter = 1")
    snapshot = box.snapshot()
    for _ in range(2):
        assert printed(box, "counter += 1\nprint(counter)") == "2\n"
        assert printed(box, "print(counter)") == "2\n"
        box.restore(snapshot)


def test_snapshots_are_independent_and_any_order_of_restores_works(make):
    box = make()
    box.run("x = 'first'")
    first = box.snapshot()
    box.run("x = 'second'")
    second = box.snapshot()
    for snapshot, expected in [(first, "first"), (second, "second"), (second, "second"), (first, "first")]:
        box.restore(snapshot)
        assert printed(box, "print(x)\nx = 'changed'") == f"{expected}\n"


def test_restored_state_of_random_numbers_is_not_that_of_the_last_time(make):
    box = make()
    box.run("import random")
    snapshot = box.snapshot()
    seen = set()
    for _ in range(3):
        box.restore(snapshot)
        seen.add(printed(box, "print(random.random())"))
    assert len(seen) == 3


@pytest.mark.parametrize("action", ["snapshot", "get_output_files", "output_path", "restore"])
def test_nothing_but_run_works_before_the_first_run(make, action):
    given = [None] if action == "restore" else []
    with pytest.raises(RuntimeError) as caught:
        getattr(make(), action)(*given)
    assert str(caught.value) == "Sandbox not initialized"


def test_restore_takes_its_own_snapshots_alone(make):
    box = make()
    box.run("None")
    with pytest.raises(TypeError) as caught:
        box.restore("snapshot")
    assert str(caught.value) == "restore() takes a snapshot, got str"


def test_snapshot_of_a_sandbox_with_other_tools_is_refused(make):
    one, other = make({"add": lambda a=0: a}), make()
    one.run("None")
    other.run("None")
    with pytest.raises(RuntimeError) as caught:
        other.restore(one.snapshot())
    assert str(caught.value).startswith("Restore failed: ")
    assert printed(other, "print(1)") == "1\n"


def test_tools_are_called_by_name_with_keywords_sync_and_async(make):
    async def multiply(a: float, b: float) -> float:
        return a * b

    box = make({"add": lambda a=0, b=0: a + b, "multiply": multiply})
    assert printed(box, "print(call_tool('add', a=3, b=4), call_tool('multiply', a=6, b=7))") == "7 42\n"
    assert printed(box, "print(call_tool('add', a=call_tool('multiply', a=2, b=3), b=1))") == "7\n"


def test_tools_hide_no_builtin_and_are_reached_by_call_tool_alone(make):
    box = make({"sum": lambda **_: "tool"})
    assert printed(box, "print(sum([1, 2]), call_tool('sum', values=[1, 2]))") == "3 tool\n"


def test_unknown_tool_is_a_runtime_error_in_the_code(make):
    code = "try:\n    call_tool('nope', x=1)\nexcept RuntimeError as error:\n    print(error)"
    assert printed(make(), code) == "Tool 'nope' failed: unknown tool: nope\n"


def test_error_of_a_tool_is_a_runtime_error_in_the_code(make):
    def fail() -> None:
        raise KeyError("missing")

    code = "try:\n    call_tool('fail')\nexcept RuntimeError as error:\n    print(error)"
    assert printed(make({"fail": fail}), code) == "Tool 'fail' failed: KeyError: 'missing'\n"


ARGUMENTS = {
    "null": "None",
    "number": "4.5",
    "string": "'x'",
    "boolean": "True",
    "array": "[1]",
    "object": "{'a': 1}",
}


@pytest.mark.parametrize("by", ["annotation", "annotated", "default"])
def test_arguments_are_checked_by_the_annotation_or_the_default(make, by):
    kinds = {
        "number": (float, 0),
        "string": (str, ""),
        "boolean": (bool, True),
        "array": (list, []),
        "object": (dict, {}),
    }
    tools = {}
    for kind, (annotation, default) in kinds.items():

        def tool(x=default):
            return "called"

        if by != "default":

            def tool(x):
                return "called"

            tool.__annotations__["x"] = annotation if by == "annotation" else Annotated[annotation, "an x"]
        tools[kind] = tool
    box = make(tools)
    for wanted in kinds:
        for given, value in ARGUMENTS.items():
            code = f"try:\n    print(call_tool('{wanted}', x={value}))\nexcept RuntimeError as error:\n    print(error)"
            told = f"Tool '{wanted}' failed: ValueError: tool '{wanted}': argument 'x' must be {wanted}, got {given}"
            assert printed(box, code) == ("called\n" if wanted == given else f"{told}\n")


def test_missing_argument_is_named(make):
    def add(a, b):
        return a + b

    result = make({"add": add}).run("call_tool('add', a=3)")
    assert result.exit_code == 1
    assert "tool 'add': missing required argument 'b'" in result.stderr


def test_arguments_without_a_type_are_passed_on(make):
    box = make({"concat": lambda x, y: f"{x}-{y}", "any": lambda **given: sorted(given)})
    assert (
        printed(box, "print(call_tool('concat', x=1, y='a'), call_tool('any', q=1, p=2))")
        == "1-a ['p', 'q']\n"
    )


def test_results_arrive_as_json_would_have_them_and_the_rest_as_text(make):
    class Money:
        def __str__(self) -> str:
            return "5 EUR"

    given = {
        "list": [1, (2, 3)],
        "float": 1.5,
        "none": None,
        "flag": True,
        "text": "é\0",
        "money": Money(),
        "path": Path("/x"),
    }
    box = make({"get": lambda: given})
    arrived = {**given, "list": [1, [2, 3]], "money": "5 EUR", "path": "/x"}
    assert printed(box, "print(call_tool('get'))") == f"{arrived}\n"


def test_result_that_is_nested_without_end_is_an_error_of_the_call(make):
    endless = []
    endless.append(endless)
    result = make({"get": lambda: endless}).run("call_tool('get')")
    assert "maximum nesting depth (64) exceeded" in result.stderr


def test_tool_object_of_an_sdk_is_called_through_its_handler(make):
    class Add:
        name = "add"

        async def handler(self, invocation):
            return {
                "textResultForLlm": str(invocation["arguments"]["a"] + 1),
                "tool": invocation["tool_name"],
            }

    box = make()
    box.register_tool(Add())
    assert printed(box, "print(call_tool('add', a=1) + 1)") == "3\n"


def test_tools_are_registered_before_the_first_run_or_not_at_all(make):
    box = make()
    for given in [("name",), (1, len), ("name", 1)]:
        with pytest.raises(TypeError) as caught:
            box.register_tool(*given)
        assert str(caught.value) == "register_tool() expects (name, callable) or a Tool object"
    box.run("None")
    with pytest.raises(RuntimeError) as caught:
        box.register_tool("late", lambda: 1)
    assert str(caught.value) == (
        "Cannot register tools after sandbox has been initialized. Register all tools before the first run() call."
    )


def test_input_directory_is_read_only(make, tmp_path):
    (tmp_path / "a.txt").write_text("from the host")
    box = make(input_dir=str(tmp_path))
    assert printed(box, "print(open('/input/a.txt').read())") == "from the host\n"
    result = box.run("open('/input/a.txt', 'w')")
    assert result.stderr.endswith("OSError: [Errno 30] Read-only file system: '/input/a.txt'\n")
    assert (tmp_path / "a.txt").read_text() == "from the host"


def test_missing_directory_is_an_error_of_the_first_run(make):
    box = make(input_dir="/nowhere/at/all")
    with pytest.raises(RuntimeError) as caught:
        box.run("None")
    assert str(caught.value).startswith("Failed to create sandbox: ")


def test_output_stays_from_run_to_run_and_is_on_the_host(make, tmp_path):
    box = make(output_dir=str(tmp_path))
    box.run(
        "import os\nopen('/output/a.txt', 'w').write('1')\nos.mkdir('/output/d')\nopen('/output/d/b', 'w').write('2')"
    )
    assert (box.output_path(), box.get_output_files()) == (str(tmp_path), ["a.txt"])
    assert (tmp_path / "d" / "b").read_text() == "2"
    assert printed(box, "print(open('/output/a.txt').read())\nopen('/output/a.txt', 'a').write('x')") == "1\n"
    assert (tmp_path / "a.txt").read_text() == "1x"
    box.run("os.remove('/output/d/b')")
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "a.txt"]


def test_restore_clears_output_but_not_what_others_put_there(make, tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    box = make(output_dir=str(tmp_path))
    box.run("import os\nos.mkdir('/output/d')\nopen('/output/d/a', 'w').close()")
    snapshot = box.snapshot()
    box.run("open('/output/b', 'w').close()")
    box.restore(snapshot)
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "mine.txt"]
    assert printed(box, "print(os.listdir('/output'))") == "[]\n"
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "mine.txt"]


def test_temporary_output_is_there_until_the_sandbox_is_gone(make):
    box = hyperlight_sandbox.Sandbox(temp_output=True)
    box.run("open('/output/a', 'w').write('x')")
    path = Path(box.output_path())
    assert (path / "a").read_text() == "x"
    del box
    gc.collect()
    assert not path.exists()


def test_without_an_output_directory_there_is_no_output(make):
    box = make()
    box.run("None")
    assert (box.output_path(), box.get_output_files()) == (None, [])
    result = box.run("print('before')\nopen('/output/a', 'w').close()")
    assert (result.stdout, result.exit_code) == ("before\n", 1)
    assert result.stderr == "OSError: 1 files exceed output_file_count, which is 0\n"


QUOTAS = [
    ({"max_file_size": "1Ki"}, "open('/output/a', 'wb').write(bytes({}))", 1024),
    (
        {"max_total_size": "2Ki"},
        "[open(f'/output/{{n}}', 'wb').write(bytes({} // 2 + n)) for n in (0, {} % 2)]",
        2048,
    ),
    ({"max_file_count": 3}, "[open(f'/output/{{n}}', 'wb') for n in range({})]", 3),
    ({}, "open('/output/a', 'wb').write(bytes({}))", 5 << 20),
    ({}, "[open(f'/output/{{n}}', 'wb') for n in range({})]", 20),
]


@pytest.mark.parametrize(("options", "code", "most"), QUOTAS)
def test_quota_holds_at_its_edge_and_restore_makes_the_sandbox_usable(make, options, code, most):
    box = make(temp_output=True, **options)
    box.run("None")
    snapshot = box.snapshot()
    assert box.run(code.format(most, most)).stderr == ""
    box.restore(snapshot)
    result = box.run(code.format(most + 1, most + 1))
    assert (result.exit_code, result.stderr.startswith("OSError: ")) == (1, True)
    with pytest.raises(RuntimeError, match="restore a snapshot"):
        box.run("1")
    box.restore(snapshot)
    assert printed(box, "print(1)") == "1\n"


def test_quota_may_be_lifted(make):
    box = make(temp_output=True, filesystem_limits="unlimited")
    assert (
        printed(box, "for n in range(21):\n    open(f'/output/{n}', 'wb').write(bytes(1 << 10))\nprint('ok')")
        == "ok\n"
    )
    assert len(box.get_output_files()) == 21


REFUSED = [
    ({"filesystem_limits": "none"}, ValueError, "filesystem_limits must be 'unlimited' when provided"),
    (
        {"filesystem_limits": "unlimited", "max_file_count": 1},
        ValueError,
        "filesystem_limits='unlimited' cannot be combined with max_file_size, max_total_size, or max_file_count",
    ),
    ({"max_file_size": 5}, TypeError, "max_file_size must be a size string"),
    ({"max_total_size": 5}, TypeError, "max_total_size must be a size string"),
    ({"max_file_count": True}, TypeError, "max_file_count must be an integer"),
    ({"max_file_count": -1}, ValueError, "max_file_count must be non-negative"),
    ({"backend": "bhyve"}, ValueError, "Unknown backend 'bhyve'. Expected 'wasm' or 'hyperlight-js'."),
    ({"backend": "JS"}, ImportError, "The HyperlightJS backend is not installed: hypercell runs Python."),
    ({"module": "a", "module_path": "b"}, ValueError, "Pass either 'module' or 'module_path', not both."),
    ({"module": " "}, ValueError, "A module reference or module_path is required."),
    ({"module_path": "/no/x.aot"}, FileNotFoundError, "Sandbox module path does not exist: /no/x.aot"),
    (
        {"module": "javascript_guest.path"},
        ImportError,
        "Unable to resolve sandbox module 'javascript_guest.path': hypercell runs python_guest.path alone",
    ),
]


@pytest.mark.parametrize(("options", "error", "message"), REFUSED)
def test_option_that_cannot_be_is_refused_as_by_the_original(options, error, message):
    with pytest.raises(error) as caught:
        hyperlight_sandbox.Sandbox(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize("size", ["", "Mi", "-1Mi", "1.5Mi", "1Ti", "9" * 30])
def test_size_that_is_none_is_refused_by_the_first_run(make, size):
    for name in ("heap_size", "max_file_size"):
        with pytest.raises(RuntimeError) as caught:
            make(**{name: size}).run("None")
        assert str(caught.value) == f"invalid size: {size!r}"


def test_memory_beyond_what_hypercell_has_is_refused_and_not_cut(make):
    with pytest.raises(RuntimeError) as caught:
        make(heap_size="1024Gi").run("None")
    assert str(caught.value) == (
        f"Failed to create sandbox: memory_bytes must be {16 << 20} to {MAX_MEMORY_BYTES}, "
        f"got {(68 + (1024 << 10) + 35) << 20}"
    )


def test_heap_size_bounds_memory(make):
    box = make(heap_size="8Mi", stack_size="1Mi")
    assert printed(box, "print('enough')") == "enough\n"
    assert box.run("x = bytearray(64 << 20)").stderr.endswith("MemoryError\n")


def test_domains_are_allowed_by_url_and_method_before_and_after_the_first_run(make, http_server):
    box = make()
    denied = "try:\n    http_get({url!r})\nexcept OSError as error:\n    print(type(error).__name__)"
    url = http_server.url + "/bytes/3"
    box.run("kept = 1")
    assert printed(box, denied.format(url=url)) == "PermissionError\n"
    snapshot = box.snapshot()
    box.allow_domain(http_server.url, methods=["get"])
    assert printed(box, f"print(http_get({url!r}), kept)") == "{'status': 200, 'body': '\\x00\\x01\\x02'} 1\n"
    assert printed(box, denied.format(url=url).replace("http_get", "http_post")) == "PermissionError\n"
    # The rules are the host's: a snapshot from before does not take them back.
    box.restore(snapshot)
    assert printed(box, f"print(http_get({url!r})['status'])") == "200\n"
    assert [asked[0] for asked in http_server.asked] == ["GET", "GET"]


def test_http_post_sends_and_redirects_and_errors_are_answers(make, http_server):
    box = make()
    box.allow_domain(http_server.url)
    code = """
    import json
    echo = json.loads(http_post(url + '/echo', body='{"a": 1}')['body'])
    print(echo['method'], echo['body'])
    print(http_get(url + '/status/404')['status'], http_get(url + '/redirect?to=/echo&status=302')['status'])
    """
    lines = "\n".join(line.strip() for line in code.splitlines())
    assert printed(box, f"url = {http_server.url!r}\n{lines}") == 'POST {"a": 1}\n404 302\n'


DOMAINS = [
    ("example.com", None, "invalid URL for network permission: relative URL without a base"),
    ("https://", None, "URL has no host: https://"),
    ("https://[", None, "invalid URL for network permission: Invalid IPv6 URL"),
    ("https://example.com", ["FETCH"], "invalid HTTP method: FETCH"),
    ("https://example.com", ["GET"] * 17, "too many HTTP methods (17, max 16)"),
]


@pytest.mark.parametrize(("target", "methods", "message"), DOMAINS)
def test_domain_that_cannot_be_is_an_error_of_the_first_run_or_at_once(make, target, methods, message):
    early, late = make(), make()
    early.allow_domain(target, methods)
    late.run("None")
    for action in (lambda: early.run("None"), lambda: late.allow_domain(target, methods)):
        with pytest.raises(RuntimeError) as caught:
            action()
        assert str(caught.value) == message
    assert printed(late, "print(1)") == "1\n"


def test_domain_that_hypercell_refuses_is_no_rule_afterwards(make):
    box = make()
    box.run("x = 1")
    snapshot = box.snapshot()
    with pytest.raises(RuntimeError, match=r"^Failed to allow the domain: "):
        box.allow_domain("https://user:secret@example.com")
    box.restore(snapshot)
    assert printed(box, "print(x)") == "1\n"


def test_number_of_domains_is_bounded(make):
    box = make()
    for number in range(1024):
        box.allow_domain(f"https://h{number}.example")
    with pytest.raises(RuntimeError) as caught:
        box.allow_domain("https://one.more")
    assert str(caught.value) == "maximum number of network permissions (1024) reached"


def test_code_that_is_too_long_is_a_value_error(make):
    box = make()
    most = box.MAX_CODE_SIZE
    assert most == (1 << 20) - 5
    assert box.run("#" * most).success
    with pytest.raises(ValueError, match=rf"^code exceeds maximum size \({most + 1} > {most} bytes\)$"):
        box.run("#" * (most + 1))


def test_crash_is_a_runtime_error_and_restore_makes_the_sandbox_usable(make):
    box = make()
    box.run("import ctypes")
    snapshot = box.snapshot()
    with pytest.raises(RuntimeError) as caught:
        box.run("ctypes.string_at(0)")
    assert str(caught.value).startswith("Execution failed: ")
    assert isinstance(caught.value.__cause__, hypercell.GuestCrashError)
    box.restore(snapshot)
    assert printed(box, "print(ctypes.__name__)") == "ctypes\n"


def test_code_execution_tool_makes_its_sandbox_once(make):
    def add(a: int, b: int) -> int:
        return a + b

    tool = CodeExecutionTool(environment=SandboxEnvironment(temp_output=True), tools=[add])
    assert tool.run("x = call_tool('add', a=1, b=2)").success
    assert tool.run("print(x)", inputs={"a": b""}, outputs=["b"]).stdout == "3\n"


INSTALLED = """
import sys
{before}
from hypercell.integrations import hyperlight_sandbox as ours
import hypercell
{install}
import hyperlight_sandbox
print(hyperlight_sandbox is ours, hyperlight_sandbox.__version__)
"""


def installed(before="", install="ours.install()", path=None):
    env = {**os.environ, **({"PYTHONPATH": str(path)} if path else {})}
    code = INSTALLED.format(before=before, install=install)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=env)


def test_install_gives_the_module_the_name_of_the_original_any_number_of_times():
    assert installed(install="ours.install()\nours.install()").stdout == "True 0.8.0\n"


def test_install_goes_before_an_original_that_is_not_imported_yet_and_refuses_one_that_is(tmp_path):
    (tmp_path / "hyperlight_sandbox.py").write_text("")
    assert installed(path=tmp_path).stdout == "True 0.8.0\n"
    done = installed("import hyperlight_sandbox", path=tmp_path)
    assert done.stderr.splitlines()[-1] == (
        f"RuntimeError: hyperlight_sandbox is imported already, from {tmp_path}/hyperlight_sandbox.py: "
        "call install() before that"
    )


def test_limits_of_install_hold_for_sandboxes_made_afterwards(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "hyperlight_sandbox", hyperlight_sandbox)
    before = make()
    hyperlight_sandbox.install(limits=hypercell.Limits(tool_calls=0))
    try:
        after = make()
    finally:
        hyperlight_sandbox.install()
    for box in (before, after):
        box.register_tool("ping", lambda: "pong")
    assert printed(before, "print(call_tool('ping'))") == "pong\n"
    with pytest.raises(RuntimeError) as caught:
        after.run("call_tool('ping')")
    assert str(caught.value).startswith("Execution failed: ")
