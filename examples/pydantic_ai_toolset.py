"""An agent of pydantic-ai whose model writes Python that calls the tools of a toolset, without a model.

    pip install hypercell[pydantic-ai]
    python examples/pydantic_ai_toolset.py

A scripted model asks for one block of code, and then repeats what came back.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic_ai import Agent, FunctionToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel

from hypercell.integrations.pydantic_ai import CodeActToolset

CODE = """
import asyncio
prices = await asyncio.gather(*(call_tool_async('price', item=item) for item in ('tea', 'cup', 'pot')))
round(sum(prices), 2)
"""


async def price(item: str) -> float:
    """Says what an item costs."""
    await asyncio.sleep(0.1)
    return {"tea": 4.5, "cup": 7.25, "pot": 21.0}[item]


def scripted(messages: list[ModelMessage], _: Any) -> ModelResponse:
    """Asks for `CODE`, and then repeats what came back."""
    for part in messages[-1].parts:
        if isinstance(part, ToolReturnPart):
            return ModelResponse([TextPart(f"Together: {part.content}")])
    return ModelResponse([ToolCallPart("execute_code", {"code": CODE})])


async def main() -> None:
    """Runs the agent."""
    agent = Agent(FunctionModel(scripted), toolsets=[CodeActToolset(FunctionToolset([price]))])
    result = await agent.run("What do a tea, a cup and a pot cost?")
    print(result.output)


if __name__ == "__main__":
    asyncio.run(main())
