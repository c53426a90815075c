"""The adapter for Agent Framework, in a real Agent with a scripted model."""

import asyncio
import threading

import pytest
from frameworks import needed

import hypercell

needed("agent_framework")

from agent_framework import (
    Agent,
    AgentSession,
    Content,
    FunctionInvocationContext,
    FunctionMiddleware,
    FunctionTool,
    Message,
    MiddlewareFailure,
    MiddlewareTermination,
    function_middleware,
    tool,
)
from agent_scripts import ScriptedClient, run, text_of

from hypercell.codeact import Approval
from hypercell.integrations.agent_framework import CodeActProvider, ExecuteCodeTool

pytestmark = pytest.mark.usefixtures("hypercell_with_image")


@tool(approval_mode="never_require")
def add(a: int, b: int = 1) -> int:
    """Adds two numbers."""
    return a + b


class Notes(FunctionMiddleware):
    """Notes what passes, by its own name."""

    def __init__(self, name, into):
        self._name, self._into = name, into

    async def process(self, context, call_next):
        self._into.append((self._name, context.function.name, dict(context.arguments)))
        await call_next()


def agent_with(*blocks, client_options=None, agent_options=None, **options):
    client = ScriptedClient(*blocks, **(client_options or {}))
    provider = CodeActProvider(**options)
    return client, provider, Agent(client=client, context_providers=[provider], **(agent_options or {}))


def outcome(*blocks, **options):
    """Runs an agent with the blocks and returns what the model saw of each."""
    client, _, agent = agent_with(*blocks, **options)
    assert run(lambda: agent.run("go")).text == "done"
    return client.results


def test_agent_gets_the_tool_and_the_instructions_and_not_the_tools_inside():
    client, _, agent = agent_with("add(a=1, b=2)", tools=[add])
    assert run(lambda: agent.run("go")).text == "done"
    options = client.asked[0][1]
    assert [one.name for one in options["tools"]] == ["execute_code"]
    assert "execute_code runs Python in a fresh sandbox" in options["instructions"]
    assert "add(" in options["instructions"]
    assert "Adds two numbers." in options["tools"][0].description
    assert text_of(client.results[0]) == "value: 3"


def test_value_output_and_error_come_back():
    results = outcome("print('out')\n[1, 2]", "print('before')\n1 / 0", "None")
    assert text_of(results[0]) == "out\nvalue: [1, 2]"
    assert text_of(results[1]).startswith("before")
    error = results[1].items[-1]
    assert (error.type, error.message) == ("error", "Execution error")
    assert error.error_details.splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert text_of(results[2]) == "The code ended without output and without a value."


def test_result_is_bounded_and_says_what_was_cut():
    text = text_of(outcome("print('x' * 10_000)", max_result_chars=500)[0])
    assert len(text) <= 500
    assert "characters left out" in text


def test_limit_is_an_error_for_the_model():
    results = outcome("while True: pass", limits=hypercell.Limits(wall_time_s=0.5))
    assert results[0].items[-1].error_details.startswith("TimeLimitError: ")


def test_files_are_attached_with_their_types(tmp_path):
    (tmp_path / "a.txt").write_text("from the host")
    code = "open('/output/a.csv', 'w').write(open('/input/a.txt').read())\nopen('/output/b.png', 'wb').write(b'PNG')"
    client, provider, agent = agent_with(code, "open('/input/a.txt', 'w')", file_mounts=(tmp_path, "/input"))
    assert [mount.mount_path for mount in provider.get_file_mounts()] == ["/input"]
    run(lambda: agent.run("go"))
    data = [one for one in client.results[0].items if one.type == "data"]
    assert [(one.additional_properties["path"], one.media_type) for one in data] == [
        ("/output/a.csv", "text/csv"),
        ("/output/b.png", "image/png"),
    ]
    assert "Read-only file system" in client.results[1].items[-1].error_details


def test_domains_are_allowed_from_the_next_run_on_and_removed(http_server):
    code = f"import urllib.request\nurllib.request.urlopen('{http_server.url}/bytes/3').read()"
    client, provider, agent = agent_with(code, tools=[add])
    provider.add_allowed_domains((http_server.url, "GET"))
    run(lambda: agent.run("go"))
    assert text_of(client.results[0]) == "value: b'\\x00\\x01\\x02'"
    provider.remove_allowed_domain(http_server.url)
    assert provider.get_allowed_domains() == []


def test_tools_added_and_removed_are_seen_by_the_next_run():
    client, provider, agent = agent_with("add(a=1)", "add(a=2)")
    provider.add_tools(add)

    async def twice():
        await agent.run("go")
        provider.remove_tool("add")
        await agent.run("again")

    client._script.insert(1, Content.from_text("first"))
    run(twice)
    assert "NameError" in client.results[-1].items[-1].error_details
    with pytest.raises(KeyError):
        provider.remove_tool("add")


def test_run_that_began_keeps_its_tools():
    client, provider, agent = agent_with("change()\nadd(a=1)", tools=[add])
    provider.add_tools(tool(provider.clear_tools, name="change", description="Change."))
    run(lambda: agent.run("go"))
    assert text_of(client.results[0]) == "value: 2"
    assert provider.get_tools() == []


def test_tools_are_those_of_the_framework_and_keep_their_checks():
    @tool(approval_mode="never_require", max_invocations=1)
    def once() -> str:
        """Once."""
        return "first"

    results = outcome("add(a='x')", "once()\nonce()", "add(q=1)", tools=[add, once])
    errors = [one.items[-1].error_details for one in results]
    assert "ToolError" in errors[0]
    assert "a" in errors[0].splitlines()[-1]
    assert "maximum invocation limit" in errors[1]
    assert "unknown argument 'q'" in errors[2]


def test_what_is_no_function_of_this_process_is_refused():
    declared = FunctionTool(name="elsewhere", description="Elsewhere.", func=None)
    for given, name in ((declared, "elsewhere"), ({"type": "web_search"}, "dict")):
        with pytest.raises(hypercell.PolicyError) as caught:
            CodeActProvider(tools=[given])
        assert str(caught.value) == f"tool {name!r} is no function of this process, so code cannot call it"


def test_calls_from_inside_a_block_pass_the_middleware_of_client_agent_and_providers():
    seen = []

    @function_middleware
    async def noted(context, call_next):
        seen.append(("function", context.function.name, dict(context.arguments)))
        await call_next()

    outcome(
        "add(a=1)",
        tools=[add],
        client_options={"middleware": [Notes("client", seen)]},
        agent_options={"middleware": [Notes("agent", seen), noted]},
        middleware=[Notes("own", seen)],
    )
    code, arguments = {"code": "add(a=1)"}, {"a": 1}
    inner = [one[:2] for one in seen if one[1] == "add"]
    assert inner == [("client", "add"), ("agent", "add"), ("function", "add"), ("own", "add")]
    assert [one for one in seen if one[1] == "execute_code"] == [
        (name, "execute_code", code) for name in ("client", "agent", "function")
    ]
    assert all(one[2]["a"] == arguments["a"] for one in seen if one[1] == "add")


def test_middleware_of_one_run_sees_the_block_and_not_the_calls_inside():
    # As the page says: the framework shows it to nobody else. A change there should change the page.
    seen = []
    client, _, agent = agent_with("add(a=1)", tools=[add])
    run(lambda: agent.run("go", middleware=[Notes("run", seen)]))
    assert text_of(client.results[0]) == "value: 2"
    assert [one[:2] for one in seen] == [("run", "execute_code")]


def test_middleware_may_edit_answer_deny_and_see_the_result():
    seen = []

    @function_middleware
    async def guard(context, call_next):
        if context.function.name != "add":
            await call_next()
        elif context.arguments["a"] == 1:
            context.arguments = {**context.arguments, "a": 100}
            await call_next()
            seen.append(context.result)
        elif context.arguments["a"] == 2:
            context.result = [Content.from_text("answered")]
        else:
            raise PermissionError("not three")

    results = outcome("[add(a=1), add(a=2)]", "add(a=3)", tools=[add], agent_options={"middleware": [guard]})
    assert text_of(results[0]) == "value: [101, 'answered']"
    assert "PermissionError: not three" in results[1].items[-1].error_details
    assert seen == [101]


@pytest.mark.parametrize(
    "code", ["add(a=1)", "try:\n    add(a=1)\nexcept BaseException:\n    pass\nprint('went on')"]
)
def test_middleware_that_fails_closed_ends_the_run_whatever_the_code_catches(code):
    @function_middleware
    async def closed(context, call_next):
        if context.function.name == "add":
            raise MiddlewareFailure("closed")
        await call_next()

    client, _, agent = agent_with(code, tools=[add], agent_options={"middleware": [closed]})
    with pytest.raises(MiddlewareFailure, match=r"^closed$"):
        run(lambda: agent.run("go"))
    assert len(client.asked) == 1


def test_middleware_that_terminates_ends_the_loop_without_asking_the_model_again():
    @function_middleware
    async def terminates(context, call_next):
        if context.function.name == "add":
            raise MiddlewareTermination("enough", result="stopped")
        await call_next()

    client, _, agent = agent_with(
        "add(a=1)\nprint('went on')", tools=[add], agent_options={"middleware": [terminates]}
    )
    run(lambda: agent.run("go"))
    assert len(client.asked) == 1


def test_call_inside_knows_session_and_arguments_of_the_run():
    seen = []

    @tool(approval_mode="never_require")
    def who(ctx: FunctionInvocationContext) -> str:
        """Who."""
        seen.append((ctx.session, ctx.kwargs["user"], ctx.metadata["call_id"]))
        return "ok"

    client, _, agent = agent_with("[call_tool('who'), call_tool('who')]", tools=[who])

    async def go():
        session = AgentSession()
        await agent.run("go", session=session, function_invocation_kwargs={"user": "Ann"})
        return session

    session = run(go)
    assert text_of(client.results[0]) == "value: ['ok', 'ok']"
    assert [(one[0] is session, one[1]) for one in seen] == [(True, "Ann")] * 2
    assert len({one[2] for one in seen}) == 2


def test_telemetry_has_a_span_for_each_call_inside_the_span_of_the_block():
    needed("opentelemetry.sdk")
    from agent_framework.observability import OBSERVABILITY_SETTINGS
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace, "get_tracer_provider", lambda: provider)
        patch.setattr(trace, "get_tracer", lambda *_, **__: provider.get_tracer("test"))
        patch.setattr(OBSERVABILITY_SETTINGS, "enable_instrumentation", True)
        outcome("add(a=1) + add(a=2)", tools=[add])
    spans = {span.context.span_id: span for span in exporter.get_finished_spans()}
    calls = [span for span in spans.values() if span.name == "execute_tool add"]
    assert [spans[span.parent.span_id].name for span in calls] == ["execute_tool execute_code"] * 2


@pytest.mark.parametrize(
    ("mode", "tool_mode", "expected"),
    [
        ("never_require", "never_require", "never_require"),
        ("always_require", "never_require", "always_require"),
        ("never_require", "always_require", "always_require"),
    ],
)
def test_approval_of_the_block_is_the_strictest_of_its_own_and_its_tools(mode, tool_mode, expected):
    one = tool(lambda: 1, name="one", description="One.", approval_mode=tool_mode)
    execute_code = ExecuteCodeTool(tools=[one], approval_mode=mode)
    assert execute_code.approval_mode == expected
    execute_code.clear_tools()
    assert execute_code.approval_mode == mode


def paying(calls):
    @tool(approval_mode="always_require")
    def pay(amount: int) -> str:
        """Pays."""
        calls.append(amount)
        return f"paid {amount}"

    return pay


@pytest.mark.parametrize("approved", [True, False])
def test_tool_that_requires_approval_gates_the_whole_block(approved):
    calls = []
    client, _, agent = agent_with("pay(amount=5)", tools=[paying(calls)])

    async def talk():
        session = AgentSession()
        asked = (await agent.run("go", session=session)).user_input_requests
        before = list(calls)
        answer = Message("user", [asked[0].to_function_approval_response(approved=approved)])
        return asked, before, await agent.run(answer, session=session)

    asked, before, response = run(talk)
    assert [one.function_call.name for one in asked] == ["execute_code"]
    assert (before, calls, response.text) == ([], [5] if approved else [], "done")
    assert ("paid 5" in text_of(client.results[0])) == approved


def test_with_an_approver_the_block_pauses_at_the_call():
    calls, asked = [], []

    async def approve(request):
        asked.append((request.tool, dict(request.arguments), list(calls)))
        amount = request.arguments["amount"]
        return (
            Approval.edit({"amount": 6}) if amount == 5 else Approval.deny("too much") if amount > 9 else True
        )

    code = """
out = [pay(amount=1), pay(amount=5)]
try:
    pay(amount=10)
except ToolError as error:
    out.append(str(error))
out
"""
    client, _, agent = agent_with(code, tools=[paying(calls)], approve=approve)
    response = run(lambda: agent.run("go"))
    assert (response.text, response.user_input_requests) == ("done", [])
    assert asked == [("pay", {"amount": 1}, []), ("pay", {"amount": 5}, [1]), ("pay", {"amount": 10}, [1, 6])]
    assert calls == [1, 6]
    text = text_of(client.results[0])
    assert text.startswith("value: ['paid 1', 'paid 6', ")
    assert "too much" in text


def test_standalone_tool_stands_beside_direct_tools():
    client = ScriptedClient("add(a=4)")
    execute_code = ExecuteCodeTool(tools=[add])
    run(lambda: Agent(client=client, tools=[add, execute_code]).run("go"))
    assert [one.name for one in client.asked[0][1]["tools"]] == ["add", "execute_code"]
    assert text_of(client.results[0]) == "value: 5"
    assert execute_code.get_tools() == [add]
    assert run(lambda: execute_code.invoke(arguments={"code": "add(a=5)"}))[0].text == "value: 6"


def meeting_tool(parties, kind):
    """A tool that no call gets out of before all are in."""
    together = threading.Barrier(parties, timeout=60)
    arrived = []

    @tool(approval_mode="never_require")
    def meet_sync(name: str) -> str:
        """Meets."""
        together.wait()
        return name

    @tool(approval_mode="never_require")
    async def meet_async(name: str) -> str:
        """Meets."""
        arrived.append(name)
        while len(arrived) < parties:
            await asyncio.sleep(0.01)
        return name

    return meet_sync if kind == "sync" else meet_async


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_runs_of_one_agent_are_under_way_at_the_same_time(kind):
    meet = meeting_tool(4, kind)
    provider = CodeActProvider(tools=[meet])
    clients = [ScriptedClient(f"call_tool('meet_{kind}', name='{n}')") for n in range(4)]

    async def all_of_them():
        agents = [Agent(client=client, context_providers=[provider]) for client in clients]
        return await asyncio.gather(*(agent.run("go") for agent in agents))

    assert [response.text for response in run(all_of_them)] == ["done"] * 4
    assert [text_of(client.results[0]) for client in clients] == [f"value: {n}" for n in range(4)]


def test_calls_beside_each_other_in_one_block_overlap():
    code = "import asyncio\nawait asyncio.gather(*(call_tool_async('meet_async', name=str(n)) for n in range(4)))"
    assert text_of(outcome(code, tools=[meeting_tool(4, "async")])[0]) == "value: ['0', '1', '2', '3']"


def test_cancelled_run_stops_the_block():
    stopped, entered = [], []

    @tool(approval_mode="never_require")
    async def wait() -> str:
        """Waits."""
        entered[0].set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.append(True)
            raise
        return "late"

    _, _, agent = agent_with("wait()", tools=[wait])

    async def go():
        entered.append(asyncio.Event())
        task = asyncio.create_task(agent.run("go"))
        await entered[0].wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(go)
    assert stopped == [True]
