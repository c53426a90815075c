"""A CodeAgent of smolagents that runs its code in a micro-VM, without a model.

    pip install hypercell[smolagents]
    python examples/smolagents_executor.py

A scripted model writes two steps; the second uses what the first left.
"""

from __future__ import annotations

from typing import Any

from smolagents import ChatMessage, CodeAgent, MessageRole, Model, tool

from hypercell.integrations.smolagents import HypercellExecutor

STEPS = iter(
    [
        "Thought: I need the populations.\n<code>\npeople = [population(c) for c in ('NO', 'SE', 'DK')]\n</code>",
        "Thought: Now the sum.\n<code>\nfinal_answer(round(sum(people), 1))\n</code>",
    ]
)


class ScriptedModel(Model):
    """Writes the steps."""

    def generate(self, messages: list[Any], **_: Any) -> ChatMessage:
        """Returns the next step."""
        del messages
        return ChatMessage(role=MessageRole.ASSISTANT, content=next(STEPS))


@tool
def population(country: str) -> float:
    """Says how many people live in a country, in millions.

    Args:
        country: Its code.
    """
    return {"NO": 5.6, "SE": 10.6, "DK": 6.0}[country]


def main() -> None:
    """Runs the agent."""
    with HypercellExecutor() as executor:
        agent = CodeAgent(
            tools=[population],
            model=ScriptedModel(model_id="scripted"),
            executor=executor,
            additional_authorized_imports=["*"],
            verbosity_level=0,
        )
        print(agent.run("How many people live in Norway, Sweden and Denmark?"))


if __name__ == "__main__":
    main()
