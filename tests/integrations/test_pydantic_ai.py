"""The toolset for pydantic-ai, in a real Agent with a scripted model."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from frameworks import needed

import hypercell

needed("pydantic_ai")

from pydantic import BaseModel
from pydantic_ai import (
    Agent,
    BinaryContent,
    DeferredToolRequests,
    DeferredToolResults,
    ExternalToolset,
    FunctionToolset,
    ModelRetry,
    RunContext,
    ToolDefinition,
)
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import FunctionModel

from hypercell.codeact import Approval
from hypercell.integrations.pydantic_ai import CodeActToolset

pytestmark = pytest.mark.usefixtures("hypercell_with_image")


def add(a: int, b: int = 1) -> int:
    """Adds two numbers."""
    return a + b


class Script:
    """Calls `execute_code` with each block, and then says "done"."""

    def __init__(self, *blocks):
        self._blocks = list(blocks)
        self.asked, self.info = [], None

    def __call__(self, messages, info):
        self.asked, self.info = messages, info
        if self._blocks:
            return ModelResponse([ToolCallPart("execute_code", {"code": self._blocks.pop(0)})])
        return ModelResponse([TextPart("done")])

    @property
    def parts(self):
        return [part for message in self.asked for part in message.parts]

    @property
    def texts(self):
        return [part.content for part in self.parts if isinstance(part, ToolReturnPart)]


def agent_with(script, *tools, agent_options=None, **options):
    toolset = CodeActToolset(FunctionToolset(list(tools)), **options)
    return Agent(FunctionModel(script), toolsets=[toolset], **(agent_options or {}))


def go(agent, *args, **options):
    """Runs an agent to its end, on an event loop of its own, which `run_sync` leaves open."""
    return asyncio.run(agent.run(*args, **options))


def run(*blocks, tools=(add,), deps=None, **options):
    script = Script(*blocks)
    result = go(agent_with(script, *tools, **options), "go", deps=deps)
    assert result.output == "done"
    return script


def test_model_gets_one_tool_that_names_the_others_and_values_and_errors_back():
    script = run("print('out')\nadd(a=1, b=2)", "1 / 0")
    assert [one.name for one in script.info.function_tools] == ["execute_code"]
    assert "Adds two numbers." in script.info.function_tools[0].description
    assert script.texts[0] == "out\nvalue: 3"
    assert script.texts[1].endswith("ZeroDivisionError: division by zero")


def test_images_come_back_and_the_result_is_metadata():
    script = run("open('/output/a.png', 'wb').write(b'PNG')\nopen('/output/b.txt', 'w').write('x')\nNone")
    returned = next(part for part in script.parts if isinstance(part, ToolReturnPart))
    assert [file.path for file in returned.metadata.files] == ["a.png", "b.txt"]
    contents = [one for part in script.parts if isinstance(part, UserPromptPart) for one in part.content]
    images = [one for one in contents if isinstance(one, BinaryContent)]
    assert [(one.data, one.media_type) for one in images] == [(b"PNG", "image/png")]


def test_tools_have_their_checks_their_context_and_plain_results():
    class Order(BaseModel):
        id: int
        total: float

    def order(ctx: RunContext[str], number: int) -> Order:
        """An order."""
        return Order(id=number, total=len(ctx.deps) + len(ctx.tool_name))

    script = run("order(number=3)", "order(number='x')", tools=[order], deps="Ann")
    assert script.texts[0] == "value: {'id': 3, 'total': 8.0}"
    assert "ToolError" in script.texts[1]
    assert "valid integer" in script.texts[1]


def test_retry_of_a_tool_is_an_error_in_the_code_and_costs_no_retry_of_the_agent():
    def picky(value: int) -> int:
        """Picky."""
        if value < 3:
            raise ModelRetry("more")
        return value

    code = """
for n in range(9):
    try:
        got = picky(value=n)
        break
    except ToolError as error:
        print(error.message)
got
"""
    assert run(code, tools=[picky]).texts == ["more\nmore\nmore\nvalue: 3"]


@dataclass
class Notes(AbstractCapability[Any]):
    """Notes each call, and edits one."""

    seen: list

    async def before_tool_execute(self, _, *, call, args, **__):
        self.seen.append((call.tool_name, dict(args)))
        return {**args, "a": 100} if args.get("a") == 5 else args


def test_calls_inside_pass_the_hooks_of_the_agent():
    seen = []
    script = run("add(a=1) + add(a=5)", agent_options={"capabilities": [Notes(seen)]})
    assert script.texts == ["value: 103"]
    assert [name for name, _ in seen] == ["execute_code", "add", "add"]


def test_external_tools_stay_beside_execute_code():
    external = ExternalToolset([ToolDefinition(name="elsewhere", parameters_json_schema={"type": "object"})])
    script = Script()
    toolset = CodeActToolset(FunctionToolset([add]))
    both = CodeActToolset(external)
    go(Agent(FunctionModel(script), toolsets=[both], output_type=[str, DeferredToolRequests]), "go")
    assert sorted(one.name for one in script.info.function_tools) == ["elsewhere", "execute_code"]
    assert toolset.label == "CodeActToolset(FunctionToolset)"


def paying(calls):
    toolset = FunctionToolset()

    @toolset.tool_plain(requires_approval=True)
    def pay(amount: int) -> str:
        """Pays."""
        calls.append(amount)
        return f"paid {amount}"

    return toolset


@pytest.mark.parametrize("approved", [True, False])
def test_tool_that_requires_approval_has_the_block_deferred(approved):
    calls = []
    script = Script("pay(amount=5)")
    agent = Agent(
        FunctionModel(script),
        toolsets=[CodeActToolset(paying(calls))],
        output_type=[str, DeferredToolRequests],
    )
    paused = go(agent, "go")
    asked = paused.output.approvals
    assert ([one.tool_name for one in asked], calls) == (["execute_code"], [])
    answers = DeferredToolResults(approvals={asked[0].tool_call_id: approved})
    result = go(agent, message_history=paused.all_messages(), deferred_tool_results=answers)
    assert (result.output, calls) == ("done", [5] if approved else [])


def test_with_an_approver_the_block_pauses_at_the_call():
    calls = []

    async def approve(request):
        return True if request.arguments["amount"] < 9 else Approval.deny("too much")

    script = Script("pay(amount=5)", "pay(amount=10)")
    go(Agent(FunctionModel(script), toolsets=[CodeActToolset(paying(calls), approve=approve)]), "go")
    assert script.texts[0] == "value: paid 5"
    assert "too much" in script.texts[1]
    assert calls == [5]


def test_call_that_asks_for_approval_by_itself_leaves_the_block_and_passes_once_it_is_approved():
    from pydantic_ai import ApprovalRequired

    def pay(ctx: RunContext[None], amount: int) -> str:
        """Pays."""
        if amount > 3 and not ctx.tool_call_approved:
            raise ApprovalRequired
        return f"paid {amount}"

    code = "try:\n    got = pay(amount=5)\nexcept BaseException as error:\n    got = 'caught'\ngot"
    script = Script(code)
    agent = agent_with(script, pay, agent_options={"output_type": [str, DeferredToolRequests]})
    paused = go(agent, "go")
    answers = DeferredToolResults(approvals={paused.output.approvals[0].tool_call_id: True})
    go(agent, message_history=paused.all_messages(), deferred_tool_results=answers)
    assert script.texts == ["value: paid 5"]


def test_option_that_cannot_be_is_refused_at_once():
    with pytest.raises(hypercell.PolicyError):
        CodeActToolset(FunctionToolset([add]), options={"approval_mode": "sometimes"})


def test_runs_beside_each_other_overlap():
    arrived = []

    async def meet(name: str) -> str:
        """Meets."""
        arrived.append(name)
        while len(arrived) < 4:
            await asyncio.sleep(0.01)
        return name

    scripts = [Script(f"meet(name='{n}')") for n in range(4)]
    agents = [agent_with(script, meet) for script in scripts]

    async def all_of_them():
        await asyncio.gather(*(agent.run("go") for agent in agents))

    asyncio.run(all_of_them())
    assert [script.texts for script in scripts] == [[f"value: {n}"] for n in range(4)]
