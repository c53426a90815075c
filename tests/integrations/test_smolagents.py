"""The executor for smolagents, alone and in a real CodeAgent with a scripted model."""

import pytest
from frameworks import needed

import hypercell

needed("smolagents")

from smolagents import ChatMessage, CodeAgent, MessageRole, Model, tool

from hypercell.integrations.smolagents import HypercellExecutor

pytestmark = pytest.mark.usefixtures("hypercell_with_image")


@tool
def add(a: int, b: int = 1) -> int:
    """Adds two numbers.

    Args:
        a: One.
        b: The other.
    """
    return a + b


class ScriptedModel(Model):
    """Answers with each block of code in turn."""

    def __init__(self, *blocks):
        super().__init__(model_id="scripted")
        self._blocks, self.asked = list(blocks), []

    def generate(self, messages, **_):
        self.asked.append(messages)
        return ChatMessage(
            role=MessageRole.ASSISTANT, content=f"Thought.\n<code>\n{self._blocks.pop(0)}\n</code>"
        )


@pytest.fixture
def executor():
    with HypercellExecutor() as made:
        yield made


def agent_with(executor, *blocks, tools=(add,)):
    return CodeAgent(
        tools=list(tools),
        model=ScriptedModel(*blocks),
        executor=executor,
        additional_authorized_imports=["*"],
        verbosity_level=0,
    )


def test_agent_goes_on_from_step_to_step_and_answers(executor):
    agent = agent_with(
        executor, "x = add(2, b=3)\nprint('x is', x)", "import sqlite3\nfinal_answer({'x': x, 'n': 1.5})"
    )
    assert agent.run("go") == {"x": 5, "n": 1.5}
    steps = [step for step in agent.memory.steps if hasattr(step, "observations")]
    assert steps[0].observations == "Execution logs:\nx is 5\nLast output from code snippet:\nNone"


def test_code_after_the_answer_does_not_run_and_no_exception_handler_keeps_it(executor):
    calls = []

    @tool
    def note(text: str) -> str:
        """Notes.

        Args:
            text: What.
        """
        calls.append(text)
        return text

    agent = agent_with(
        executor, "try:\n    final_answer(1)\nexcept Exception:\n    pass\nnote('after')", tools=[note]
    )
    assert agent.run("go") == 1
    assert calls == []


def test_error_of_the_code_is_told_with_its_traceback_and_what_was_printed(executor):
    agent = agent_with(executor, "y = 1\nprint('before')\n1 / 0", "final_answer(y)")
    assert agent.run("go") == 1
    step = next(step for step in agent.memory.steps if getattr(step, "error", None))
    assert step.error.message.endswith("ZeroDivisionError: division by zero\n")
    assert step.observations == "Execution logs:\nbefore\n"


def test_variables_of_the_run_are_there(executor):
    agent = agent_with(executor, "final_answer(sum(values))")
    assert agent.run("go", additional_args={"values": [1, 2, 3]}) == 6


def test_second_run_keeps_globals_unless_the_tools_changed(executor):
    agent = agent_with(executor, "x = 1\nfinal_answer(x)", "final_answer('x' in globals())")
    agent.run("go")
    assert agent.run("go", reset=False) is True
    other = agent_with(executor, "final_answer('x' in globals())", tools=[])
    assert other.run("go") is False


def test_tools_run_on_the_host_with_positional_and_named_arguments(executor):
    executor.send_tools({"add": add})
    assert executor("[add(1), add(1, 2), add(b=3, a=1)]").output == [2, 3, 4]
    with pytest.raises(RuntimeError, match=r"TypeError: add: takes at most 2 positional arguments"):
        executor("add(1, 2, 3)")


def test_answer_that_is_no_plain_value_is_an_error(executor):
    executor.send_tools({"final_answer": agent_with(executor, "").tools["final_answer"]})
    with pytest.raises(RuntimeError, match=r"ValueNotSendableError: .*cannot send"):
        executor("final_answer(open('/tmp/a', 'w'))")


def test_nothing_of_the_host_is_reachable_and_imports_are_free(executor):
    with pytest.raises(RuntimeError, match="FileNotFoundError"):
        executor("open('/etc/shadow')")
    assert executor("import ctypes, os\nos.getpid() > 0").output is True


def test_limit_ends_the_sandbox_and_the_next_code_begins_anew():
    with HypercellExecutor(limits=hypercell.Limits(wall_time_s=0.5)) as executor:
        executor("x = 1")
        with pytest.raises(hypercell.TimeLimitError):
            executor("print('before')\nwhile True: pass")
        assert executor.state["_print_outputs"] == "before\n"
        assert executor("'x' in globals()").output is False


def test_agent_ends_its_executor(executor):
    agent = agent_with(executor, "final_answer(1)")
    agent.run("go")
    agent.cleanup()
    assert executor._box is None
