"""An agent of the OpenAI Agents SDK whose model writes Python that calls the tools, without a model.

    pip install hypercell[openai-agents]
    python examples/openai_agents_tool.py

A scripted model asks for one block of code, and then repeats what came back.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage, function_tool
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from hypercell.integrations.openai_agents import execute_code_tool

CODE = """
totals = {}
for order in orders():
    totals[order['customer']] = totals.get(order['customer'], 0) + order['total']
max(totals.items(), key=lambda item: item[1])
"""


@function_tool
def orders() -> list[dict[str, Any]]:
    """Lists all orders."""
    return [
        {"customer": "Ada", "total": 20},
        {"customer": "Bob", "total": 35},
        {"customer": "Ada", "total": 25},
    ]


class ScriptedModel(Model):
    """Asks for `CODE`, and then repeats what came back."""

    async def get_response(self, **asked: Any) -> ModelResponse:
        """Returns the next turn."""
        items = [] if isinstance(asked["input"], str) else asked["input"]
        outputs = [one["output"] for one in items if one.get("type") == "function_call_output"]
        turn: Any
        if outputs:
            text = ResponseOutputText(annotations=[], text=outputs[0][0]["text"], type="output_text")
            turn = ResponseOutputMessage(
                id="2", content=[text], role="assistant", status="completed", type="message"
            )
        else:
            turn = ResponseFunctionToolCall(
                arguments=json.dumps({"code": CODE}), call_id="1", name="execute_code", type="function_call"
            )
        return ModelResponse(output=[turn], usage=Usage(), response_id=None)

    def stream_response(self, **_: Any) -> AsyncIterator[Any]:
        """Is not used here."""
        raise NotImplementedError


async def main() -> None:
    """Runs the agent."""
    agent = Agent(name="analyst", model=ScriptedModel(), tools=[execute_code_tool([orders])])
    result = await Runner.run(agent, "Who ordered most?", run_config=RunConfig(tracing_disabled=True))
    print(result.final_output)


if __name__ == "__main__":
    asyncio.run(main())
