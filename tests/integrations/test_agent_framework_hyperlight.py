"""agent-framework-hyperlight from PyPI, unchanged, on the stand-in for hyperlight_sandbox: what its README promises."""

import asyncio
import sys
import threading

import pytest
from frameworks import needed

from hypercell.integrations import hyperlight_sandbox

needed("agent_framework_hyperlight")

from agent_framework import Agent, AgentSession, Message, tool
from agent_framework_hyperlight import (
    AllowedDomain,
    FileMount,
    HyperlightCodeActProvider,
    HyperlightExecuteCodeTool,
)
from agent_scripts import ScriptedClient, run, text_of

pytestmark = pytest.mark.usefixtures("hypercell_with_image", "installed")


@pytest.fixture
def installed(monkeypatch):
    # Gone after the test, whatever was there before.
    monkeypatch.setitem(sys.modules, "hyperlight_sandbox", hyperlight_sandbox)
    hyperlight_sandbox.install()


@pytest.fixture
def make_tool():
    tools = []

    def make(**options):
        tools.append(HyperlightExecuteCodeTool(**options))
        return tools[-1]

    yield make
    for one in tools:
        one._registry.close()


@tool(approval_mode="never_require")
def compute(operation: str, a: float, b: float) -> float:
    """Perform a math operation."""
    return {"add": a + b, "multiply": a * b, "divide": a / b}[operation]


def execute(execute_code, code):
    return run(lambda: execute_code.invoke(arguments={"code": code}))


def kinds(contents):
    return [(one.type, one.text if one.type == "text" else one.error_details) for one in contents]


def test_the_sandbox_class_is_ours(make_tool):
    from hyperlight_sandbox import Sandbox

    assert Sandbox is hyperlight_sandbox.Sandbox


def test_agent_runs_code_that_calls_a_tool():
    client = ScriptedClient("print(call_tool('compute', operation='multiply', a=6, b=7))")
    provider = HyperlightCodeActProvider(tools=[compute], approval_mode="never_require")
    response = run(lambda: Agent(client=client, context_providers=[provider]).run("6 times 7?"))
    assert (response.text, text_of(client.results[0])) == ("done", "42.0\n")
    options = client.asked[0][1]
    assert [one.name for one in options["tools"]] == ["execute_code"]
    assert "You have one primary tool: execute_code." in options["instructions"]
    assert "`compute`: Perform a math operation." in options["tools"][0].description


def test_output_value_and_stderr_are_told_apart(make_tool):
    execute_code = make_tool()
    assert kinds(execute(execute_code, "print('out')\nimport sys\nprint('err', file=sys.stderr)")) == [
        ("text", "out\n"),
        ("text", "err\n"),
    ]
    assert kinds(execute(execute_code, "6 * 7")) == [("text", "Code executed successfully without output.")]


def test_error_of_the_code_is_an_error_content_with_its_traceback(make_tool):
    contents = execute(make_tool(), "print('before')\nx = 1 / 0")
    assert kinds(contents)[0] == ("text", "before\n")
    assert contents[1].message == "Execution error"
    assert contents[1].error_details.splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert "line 2, in <module>" in contents[1].error_details


def test_error_of_a_tool_can_be_caught_and_is_told_if_it_is_not(make_tool):
    execute_code = make_tool(tools=[compute])
    code = "call_tool('compute', operation='divide', a=1, b=0)"
    caught = f"try:\n    {code}\nexcept RuntimeError as error:\n    print(error)"
    assert kinds(execute(execute_code, caught)) == [
        ("text", "Tool 'compute' failed: ZeroDivisionError: float division by zero\n")
    ]
    assert "ZeroDivisionError" in execute(execute_code, code)[0].error_details


def test_unknown_tool_is_an_error(make_tool):
    contents = execute(make_tool(), "call_tool('nope')")
    assert "Tool 'nope' failed: unknown tool: nope" in contents[0].error_details


def test_each_invocation_begins_as_the_first(make_tool):
    execute_code = make_tool()
    execute(execute_code, "x = 1\nimport json\njson.dumps = None\nopen('/tmp/a', 'w').close()")
    code = "import json, os\nprint('x' in globals(), json.dumps is None, os.path.exists('/tmp/a'))"
    assert kinds(execute(execute_code, code)) == [("text", "False False False\n")]


def test_tool_returns_native_values_and_objects_as_text(make_tool):
    class Money:
        def __repr__(self):
            return "5 EUR"

    @tool(approval_mode="never_require")
    def get() -> dict:
        """Get."""
        return {"rows": [1, 2.5, None, True], "money": Money()}

    contents = execute(make_tool(tools=[get]), "got = call_tool('get')\nprint(sum(got['rows'][:2]), got)")
    assert kinds(contents) == [("text", "3.5 {'rows': [1, 2.5, None, True], 'money': '5 EUR'}\n")]


def test_async_tool_and_its_context_variables(make_tool):
    import contextvars

    user = contextvars.ContextVar("user")

    @tool(approval_mode="never_require")
    async def who() -> str:
        """Who asks."""
        await asyncio.sleep(0)
        return user.get()

    user.set("Ann")
    assert kinds(execute(make_tool(tools=[who]), "print(call_tool('who'))")) == [("text", "Ann\n")]


@pytest.mark.parametrize(
    ("mode", "tool_mode", "expected"),
    [
        (None, "never_require", "never_require"),
        ("never_require", "never_require", "never_require"),
        ("always_require", "never_require", "always_require"),
        ("never_require", "always_require", "always_require"),
    ],
)
def test_approval_of_the_block_is_the_strictest_of_its_own_and_its_tools(
    make_tool, mode, tool_mode, expected
):
    one = tool(lambda: 1, name="one", description="One.", approval_mode=tool_mode)
    execute_code = make_tool(tools=[one], approval_mode=mode)
    assert execute_code.approval_mode == expected
    execute_code.remove_tool("one")
    assert execute_code.approval_mode == (mode or "never_require")


@pytest.mark.parametrize("approved", [True, False])
def test_nothing_runs_before_approval_nor_after_a_denial(approved):
    calls = []

    @tool(approval_mode="always_require")
    def pay(amount: int) -> str:
        """Pay."""
        calls.append(amount)
        return "paid"

    client = ScriptedClient("print(call_tool('pay', amount=5))")
    agent = Agent(client=client, context_providers=[HyperlightCodeActProvider(tools=[pay])])

    async def talk():
        session = AgentSession()
        asked = (await agent.run("Pay 5", session=session)).user_input_requests
        before = list(calls)
        answer = Message("user", [asked[0].to_function_approval_response(approved=approved)])
        return asked, before, await agent.run(answer, session=session)

    asked, before, response = run(talk)
    assert [one.function_call.name for one in asked] == ["execute_code"]
    assert (before, calls, response.text) == ([], [5] if approved else [], "done")
    assert ("paid" in text_of(client.results[0])) == approved


def test_workspace_and_mounts_are_below_input_and_read_only(make_tool, tmp_path):
    for name in ("workspace", "models", "config"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(name)
    execute_code = make_tool(
        workspace_root=tmp_path / "workspace",
        file_mounts=[
            (tmp_path / "models", "/sandbox/models"),
            FileMount(tmp_path / "config", "/sandbox/config"),
            str(tmp_path / "models" / "a.txt"),
        ],
    )
    places = ["a.txt", "sandbox/models/a.txt", "sandbox/config/a.txt", str(tmp_path / "models" / "a.txt")[1:]]
    code = f"for place in {places}:\n    print(open('/input/' + place).read())"
    # It waits a second for output files where there are none.
    assert kinds(execute(execute_code, code)) == [("text", "workspace\nmodels\nconfig\nmodels\n")]
    contents = execute(execute_code, "open('/input/a.txt', 'w')")
    assert "Read-only file system" in contents[0].error_details
    execute_code.remove_file_mount("/sandbox/config")
    assert (
        "FileNotFoundError" in execute(execute_code, "open('/input/sandbox/config/a.txt')")[0].error_details
    )


def test_mounted_files_that_change_are_new_in_the_next_invocation(make_tool, tmp_path):
    (tmp_path / "a.txt").write_text("old")
    execute_code = make_tool(workspace_root=tmp_path)
    code = "print(open('/input/a.txt').read())\nopen('/output/x', 'w').write('x')"
    assert kinds(execute(execute_code, code))[0] == ("text", "old\n")
    (tmp_path / "a.txt").write_text("newer")
    assert kinds(execute(execute_code, code))[0] == ("text", "newer\n")


def test_without_mounts_there_is_no_file_system(make_tool):
    execute_code = make_tool()
    assert "Filesystem access is unavailable" in execute_code.description
    assert "FileNotFoundError" in execute(execute_code, "open('/input/a')")[0].error_details
    assert "output_file_count" in execute(execute_code, "open('/output/a', 'w')")[0].error_details


def test_output_files_are_attached_and_gone_in_the_next_invocation(make_tool, tmp_path):
    execute_code = make_tool(workspace_root=tmp_path)
    code = """
import os
os.makedirs('/output/plots')
open('/output/report.csv', 'w').write('a,b')
open('/output/plots/a.png', 'wb').write(b'PNG')
os.symlink('/etc/passwd', '/output/link')
"""
    data = [one for one in execute(execute_code, code) if one.type == "data"]
    assert [(one.additional_properties["path"], one.media_type) for one in data] == [
        ("/output/plots/a.png", "image/png"),
        ("/output/report.csv", "text/csv"),
    ]
    contents = execute(
        execute_code, "import os\nprint(os.listdir('/output'))\nopen('/output/b', 'w').write('b')"
    )
    assert kinds(contents)[0] == ("text", "[]\n")
    assert [one.additional_properties["path"] for one in contents[1:]] == ["/output/b"]


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [
        ("max_output_files", 2, "[open(f'/output/{n}', 'w').close() for n in range(3)]"),
        ("max_output_file_bytes", 1000, "open('/output/a', 'wb').write(bytes(1001))"),
        ("max_output_total_bytes", 1000, "[open(f'/output/{n}', 'wb').write(bytes(501)) for n in range(2)]"),
    ],
)
def test_output_over_a_limit_is_an_error_without_attachments_beyond_it(
    make_tool, tmp_path, option, value, code
):
    execute_code = make_tool(workspace_root=tmp_path, **{option: value})
    contents = execute(execute_code, code)
    assert contents[-1].type == "error"
    assert contents[-1].error_details.startswith("OSError: ")
    assert sum(one.type == "data" for one in contents) < 3
    assert kinds(execute(execute_code, "print('usable')\nopen('/output/a', 'w').write('x')"))[0] == (
        "text",
        "usable\n",
    )


def test_domains_without_a_scheme_are_allowed_for_http_and_https(make_tool, http_server):
    target = http_server.url.removeprefix("http://")
    execute_code = make_tool(allowed_domains=[AllowedDomain(target, ("GET",))])
    assert f"`{target}`: GET." in execute_code.description
    code = f"""
print(http_get('{http_server.url}/bytes/2')['status'])
for action in (lambda: http_post('{http_server.url}'), lambda: http_get('http://example.com')):
    try:
        action()
    except OSError as error:
        print(type(error).__name__)
"""
    assert kinds(execute(execute_code, code)) == [("text", "200\nPermissionError\nPermissionError\n")]
    execute_code.remove_allowed_domain(target)
    assert "PermissionError" in execute(execute_code, f"http_get('{http_server.url}')")[0].error_details
    assert [one[0] for one in http_server.asked] == ["GET"]


def test_tools_that_are_added_and_replaced_are_there_in_the_next_invocation(make_tool):
    execute_code = make_tool()
    for answer in ("first", "second"):
        execute_code.add_tools(tool(lambda answer=answer: answer, name="get", description="Get."))
        assert kinds(execute(execute_code, "print(call_tool('get'))")) == [("text", f"{answer}\n")]


def test_standalone_tool_stands_beside_direct_tools(make_tool):
    sent = []

    @tool(approval_mode="never_require")
    def send(to: str) -> str:
        """Send."""
        sent.append(to)
        return "sent"

    client = ScriptedClient("call_tool('send', to='x')")
    agent = Agent(client=client, tools=[send, make_tool(tools=[compute])])
    run(lambda: agent.run("send"))
    assert (sent, [one.name for one in client.asked[0][1]["tools"]]) == ([], ["send", "execute_code"])


def test_runs_beside_each_other_on_one_tool_each_get_their_own_answer(make_tool):
    execute_code = make_tool(tools=[compute])
    code = "x = {n}\nprint(call_tool('compute', operation='add', a=x, b=0.5))"

    async def all_of_them():
        calls = [execute_code.invoke(arguments={"code": code.format(n=n)}) for n in range(8)]
        return await asyncio.gather(*calls)

    assert [kinds(contents) for contents in run(all_of_them)] == [[("text", f"{n}.5\n")] for n in range(8)]


def test_runs_with_other_options_are_under_way_at_the_same_time(make_tool):
    meeting = threading.Barrier(4, timeout=60)

    def meet() -> int:
        return meeting.wait() and 0

    tools = [make_tool(tools=[tool(meet, name=f"meet{n}", description="Meet.")]) for n in range(4)]

    async def all_of_them():
        calls = [
            one.invoke(arguments={"code": f"print(call_tool('meet{n}'))"}) for n, one in enumerate(tools)
        ]
        return await asyncio.gather(*calls)

    # None would get past the barrier if they ran one after the other.
    assert [kinds(contents) for contents in run(all_of_them)] == [[("text", "0\n")]] * 4


def test_backend_that_is_not_there_is_told_as_upstream_does(make_tool):
    with pytest.raises(
        RuntimeError, match=r"^The selected Hyperlight backend is not installed or not supported"
    ):
        execute(make_tool(backend="hyperlight-js"), "1")


def test_crash_is_an_error_and_the_next_invocation_works(make_tool):
    execute_code = make_tool()
    with pytest.raises(RuntimeError, match=r"^Execution failed: "):
        execute(execute_code, "import ctypes\nctypes.string_at(0)")
    assert kinds(execute(execute_code, "print('alive')")) == [("text", "alive\n")]
