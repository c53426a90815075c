"""The tool for the OpenAI Agents SDK, run by its Runner with a scripted model."""

import asyncio
import json
import time

import pytest
from frameworks import needed

import hypercell

needed("agents")

from agents import (
    Agent,
    Model,
    ModelResponse,
    RunConfig,
    RunContextWrapper,
    Runner,
    ToolGuardrailFunctionOutput,
    Usage,
    function_tool,
    tool_input_guardrail,
)
from agents.tracing import TracingProcessor, set_trace_processors
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from hypercell.codeact import Approval
from hypercell.integrations.openai_agents import execute_code_tool

pytestmark = pytest.mark.usefixtures("hypercell_with_image")


@function_tool
def add(a: int, b: int = 1) -> int:
    """Adds two numbers."""
    return a + b


class ScriptedModel(Model):
    """Calls `execute_code` with each block, and then says "done"."""

    def __init__(self, *blocks):
        self._blocks, self.asked, self.tools = list(blocks), [], []

    async def get_response(self, **asked):
        self.asked.append(asked["input"])
        self.tools = asked["tools"]
        if self._blocks:
            number, code = len(self._blocks), self._blocks.pop(0)
            output = ResponseFunctionToolCall(
                arguments=json.dumps({"code": code}),
                call_id=f"call-{number}",
                name="execute_code",
                type="function_call",
            )
        else:
            text = ResponseOutputText(annotations=[], text="done", type="output_text")
            output = ResponseOutputMessage(
                id="1", content=[text], role="assistant", status="completed", type="message"
            )
        return ModelResponse(output=[output], usage=Usage(), response_id=None)

    def stream_response(self, *_, **__):
        raise NotImplementedError

    @property
    def outputs(self):
        """What came back from each call, as the parts that the model gets."""
        return [item["output"] for item in self.asked[-1] if item.get("type") == "function_call_output"]


QUIET = RunConfig(tracing_disabled=True)


def run(*blocks, context=None, config=QUIET, **options):
    model = ScriptedModel(*blocks)
    agent = Agent(name="a", model=model, tools=[execute_code_tool(**options)])
    result = asyncio.run(Runner.run(agent, "go", context=context, run_config=config))
    return model, result


def texts(model):
    return [output[0]["text"] for output in model.outputs]


def test_model_is_told_of_the_tools_and_gets_values_and_errors():
    model, result = run("print('out')\nadd(a=1, b=2)", "1 / 0", tools=[add])
    assert result.final_output == "done"
    assert [one.name for one in model.tools] == ["execute_code"]
    assert "Adds two numbers." in model.tools[0].description
    assert texts(model)[0] == "out\nvalue: 3"
    assert texts(model)[1].endswith("ZeroDivisionError: division by zero")


def test_images_come_back_as_images():
    model, _ = run("open('/output/a.png', 'wb').write(b'PNG')\nopen('/output/b.txt', 'w').write('x')\nNone")
    assert "b.txt" in texts(model)[0]
    assert [part["type"] for part in model.outputs[0]] == ["input_text", "input_image"]
    assert model.outputs[0][1]["image_url"] == "data:image/png;base64,UE5H"


def test_functions_are_tools_and_their_errors_reach_the_code():
    def fail(reason: str) -> str:
        """Fails."""
        raise ValueError(reason)

    code = "try:\n    fail(reason='no luck')\nexcept ToolError as error:\n    got = (error.type, error.message)\ngot"
    assert texts(run(code, tools=[fail])[0]) == ["value: ('ValueError', 'no luck')"]


def test_parameters_with_defaults_are_optional_for_code_also_in_strict_tools():
    assert add.params_json_schema["required"] == ["a", "b"]
    model, _ = run("[add(a=1), add(a=1, b=2)]", "add()", tools=[add])
    assert texts(model)[0] == "value: [2, 3]"
    assert "missing argument 'a'" in texts(model)[1]


def test_tools_get_the_context_of_the_run_and_a_call_of_their_own():
    @function_tool
    def who(wrapper: RunContextWrapper[dict]) -> str:
        """Who asks."""
        return f"{wrapper.context['user']} {wrapper.tool_call_id}"

    model, _ = run("[who(), who()]", context={"user": "Ann"}, tools=[who])
    assert texts(model) == ["value: ['Ann call-1/1', 'Ann call-1/2']"]


def test_calls_inside_are_function_spans_below_that_of_the_block():
    class Spans(TracingProcessor):
        def __init__(self):
            self.ended = []

        def on_span_end(self, span):
            self.ended.append(span)

        on_trace_start = on_trace_end = on_span_start = force_flush = shutdown = lambda *_, **__: None

    spans = Spans()
    set_trace_processors([spans])
    try:
        run("add(a=1)", tools=[add], config=RunConfig())
    finally:
        set_trace_processors([])
    functions = {span.span_data.name: span for span in spans.ended if span.span_data.type == "function"}
    assert functions["add"].parent_id == functions["execute_code"].span_id
    assert (functions["add"].span_data.input, functions["add"].span_data.output) == ('{"a": 1}', "2")


def paying(calls):
    @function_tool(needs_approval=True)
    def pay(amount: int) -> str:
        """Pays."""
        calls.append(amount)
        return f"paid {amount}"

    return pay


@pytest.mark.parametrize("approved", [True, False])
def test_tool_that_needs_approval_has_the_block_approved_by_the_sdk(approved):
    calls = []
    model = ScriptedModel("pay(amount=5)")
    agent = Agent(name="a", model=model, tools=[execute_code_tool([paying(calls)])])

    async def talk():
        paused = await Runner.run(agent, "go", run_config=QUIET)
        state = paused.to_state()
        before = list(calls)
        (state.approve if approved else state.reject)(paused.interruptions[0])
        return paused, before, await Runner.run(agent, state, run_config=QUIET)

    paused, before, result = asyncio.run(talk())
    assert [one.name for one in paused.interruptions] == ["execute_code"]
    assert (before, calls, result.final_output) == ([], [5] if approved else [], "done")


def test_with_an_approver_the_block_pauses_at_the_call():
    calls = []

    async def approve(request):
        return True if request.arguments["amount"] < 9 else Approval.deny("too much")

    model, _ = run("pay(amount=5)", "pay(amount=10)", tools=[paying(calls)], approve=approve)
    assert texts(model)[0] == "value: paid 5"
    assert "too much" in texts(model)[1]
    assert calls == [5]


def test_timeout_of_a_tool_holds():
    @function_tool(timeout=0.05, timeout_behavior="raise_exception", failure_error_function=None)
    async def wait() -> str:
        """Waits."""
        await asyncio.sleep(60)
        return "late"

    started = time.monotonic()
    assert "ToolTimeoutError" in texts(run("wait()", tools=[wait])[0])[0]
    assert time.monotonic() - started < 30


def test_tool_whose_checks_would_be_passed_by_is_refused():
    @tool_input_guardrail
    def check(data):
        return ToolGuardrailFunctionOutput.allow()

    guarded = function_tool(lambda: 1, name_override="guarded", tool_input_guardrails=[check])
    some = function_tool(lambda: 1, name_override="some", is_enabled=lambda *_: False)
    for given, message in (
        (guarded, "tool 'guarded' has tool_input_guardrails, which calls from code would pass by"),
        (some, "tool 'some' has is_enabled, which calls from code would pass by"),
    ):
        with pytest.raises(hypercell.PolicyError) as caught:
            execute_code_tool([given])
        assert str(caught.value) == message


def test_runs_beside_each_other_overlap():
    arrived = []

    async def meet(name: str) -> str:
        """Meets."""
        arrived.append(name)
        while len(arrived) < 4:
            await asyncio.sleep(0.01)
        return name

    models = [ScriptedModel(f"meet(name='{n}')") for n in range(4)]
    agents = [Agent(name="a", model=model, tools=[execute_code_tool([meet])]) for model in models]

    async def all_of_them():
        await asyncio.gather(*(Runner.run(agent, "go", run_config=QUIET) for agent in agents))

    asyncio.run(all_of_them())
    assert [texts(model) for model in models] == [[f"value: {n}"] for n in range(4)]
