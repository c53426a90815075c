"""The tool for LangChain: alone, below callbacks, and in a graph of LangGraph with a scripted model."""

import asyncio
import threading

import pytest
from frameworks import needed

import hypercell

needed("langchain_core")
needed("langgraph")

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command, interrupt

from hypercell.codeact import Approval
from hypercell.integrations.langchain import execute_code_tool

pytestmark = pytest.mark.usefixtures("hypercell_with_image")


@tool
def add(a: int, b: int = 1) -> int:
    """Adds two numbers."""
    return a + b


def call(execute_code, code, **options):
    """Calls the tool as an agent does, sync, and returns its message."""
    return execute_code.invoke(
        {"type": "tool_call", "id": "1", "name": "execute_code", "args": {"code": code}}, **options
    )


def test_model_is_told_of_the_tools_and_gives_code_alone():
    execute_code = execute_code_tool([add])
    assert (execute_code.name, list(execute_code.args)) == ("execute_code", ["code"])
    assert "Adds two numbers." in execute_code.description


def test_message_has_text_and_the_result_is_its_artifact():
    message = call(
        execute_code_tool([add]), "open('/output/a.txt', 'w').write('x')\nprint('out')\nadd(a=1, b=2)"
    )
    assert isinstance(message, ToolMessage)
    assert message.content.startswith("out\nvalue: 3\n")
    assert (message.artifact.value, message.artifact.files[0].data) == (3, b"x")


def test_async_and_functions_as_tools():
    async def double(value: int) -> int:
        """Doubles."""
        await asyncio.sleep(0)
        return 2 * value

    execute_code = execute_code_tool([double])
    assert asyncio.run(execute_code.ainvoke({"code": "double(value=4)"})) == "value: 8"
    assert execute_code.invoke({"code": "double(value=5)"}) == "value: 10"


def test_error_of_the_code_and_of_tools_is_text():
    @tool
    def fail() -> str:
        """Fails."""
        raise ToolException("no luck")

    execute_code = execute_code_tool([add, fail], limits=hypercell.Limits(wall_time_s=5))
    assert call(execute_code, "1 / 0").content.endswith("ZeroDivisionError: division by zero")
    assert call(execute_code, "fail()").content.endswith(
        "ToolError: tool 'fail' failed: ToolException: no luck"
    )
    assert "ToolError" in call(execute_code, "add(a='x')").content
    assert call(
        execute_code, "try:\n    fail()\nexcept ToolError as error:\n    error.type"
    ).content.startswith("The code")


class Runs(BaseCallbackHandler):
    def __init__(self):
        self.names, self.parents, self.tags = {}, {}, {}

    def on_tool_start(self, serialized, _, *, run_id, parent_run_id=None, tags=None, **__):
        self.names[run_id], self.parents[run_id], self.tags[run_id] = serialized["name"], parent_run_id, tags


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_calls_inside_are_runs_below_that_of_the_block(kind):
    runs = Runs()
    options = {"config": {"callbacks": [runs], "tags": ["mine"]}}
    execute_code = execute_code_tool([add])
    if kind == "sync":
        call(execute_code, "add(a=1) + add(a=2)", **options)
    else:
        asyncio.run(execute_code.ainvoke({"code": "add(a=1) + add(a=2)"}, **options))
    outer = next(run for run, name in runs.names.items() if name == "execute_code")
    inner = [run for run, name in runs.names.items() if name == "add"]
    assert [runs.parents[run] for run in inner] == [outer, outer]
    assert all("mine" in runs.tags[run] for run in inner)


def test_approver_decides_at_the_calls_that_are_named():
    asked = []

    def approve(request):
        asked.append(dict(request.arguments))
        return Approval.edit({"a": 10}) if request.arguments["a"] == 1 else Approval.deny("no")

    execute_code = execute_code_tool([add], approve=approve, pause_on=["add"])
    assert call(execute_code, "add(a=1)").content == "value: 11"
    assert call(execute_code, "add(a=2)").content.endswith(
        "ToolError: tool 'add' failed: PermissionError: no"
    )
    assert asked == [{"a": 1}, {"a": 2}]
    with pytest.raises(hypercell.PolicyError) as caught:
        execute_code_tool([add], pause_on=["nope"])
    assert str(caught.value) == "pause_on names tools that there are not: ['nope']"


def graph_with(execute_code, code, **options):
    request = AIMessage("", tool_calls=[{"id": "1", "name": "execute_code", "args": {"code": code}}])
    model = GenericFakeChatModel(messages=iter([request, AIMessage("done")]))
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode([execute_code]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(**options)


def test_graph_runs_code_between_turns_of_the_model():
    state = graph_with(execute_code_tool([add]), "[add(a=n) for n in range(3)]").invoke(
        {"messages": [("user", "go")]}
    )
    assert [message.content for message in state["messages"]] == ["go", "", "value: [1, 2, 3]", "done"]


def test_interrupt_of_a_tool_leaves_the_block_whatever_the_code_catches_and_resumes():
    @tool
    def ask(question: str) -> str:
        """Asks a person."""
        return interrupt(question)

    code = "try:\n    answer = ask(question='Sure?')\nexcept BaseException:\n    answer = 'caught'\nanswer"
    graph = graph_with(execute_code_tool([ask]), code, checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    state = graph.invoke({"messages": [("user", "go")]}, config)
    assert [one.value for one in state["__interrupt__"]] == ["Sure?"]
    state = graph.invoke(Command(resume="yes"), config)
    assert [message.content for message in state["messages"]][2:] == ["value: yes", "done"]


def test_blocks_beside_each_other_overlap():
    together = threading.Barrier(4, timeout=60)

    @tool
    def meet(name: str) -> str:
        """Meets."""
        together.wait()
        return name

    execute_code = execute_code_tool([meet])

    async def all_of_them():
        return await asyncio.gather(*(execute_code.ainvoke({"code": f"meet(name='{n}')"}) for n in range(4)))

    # None would get past the barrier if they ran one after the other.
    assert asyncio.run(all_of_them()) == [f"value: {n}" for n in range(4)]
