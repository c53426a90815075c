"""agent-framework-hyperlight, unchanged, on hypercell: an agent without a model.

    pip install hypercell[hyperlight]
    python examples/hyperlight_drop_in.py

A scripted chat client plays the model: it asks for one block of code and says what came back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from agent_framework import (
    Agent,
    BaseChatClient,
    ChatResponse,
    Content,
    FunctionInvocationLayer,
    Message,
    tool,
)

from hypercell.integrations import hyperlight_sandbox

hyperlight_sandbox.install()

from agent_framework_hyperlight import HyperlightCodeActProvider  # noqa: E402 - imports the sandbox

CODE = """
import sqlite3
prices = {item: call_tool('price', item=item) for item in ('tea', 'cup', 'pot')}
base = sqlite3.connect(':memory:')
base.execute('create table prices (item text, price real)')
base.executemany('insert into prices values (?, ?)', prices.items())
print(base.execute('select sum(price) from prices').fetchone()[0])
"""


class ScriptedClient(FunctionInvocationLayer[Any], BaseChatClient[Any]):
    """Asks for `CODE`, and then repeats what it printed."""

    def __init__(self) -> None:
        FunctionInvocationLayer.__init__(self)
        BaseChatClient.__init__(self)

    def _inner_get_response(self, *, messages: Sequence[Message], **_: Any) -> Awaitable[ChatResponse]:
        async def answer() -> ChatResponse:
            results = [
                one for message in messages for one in message.contents if one.type == "function_result"
            ]
            if not results:
                call = Content.from_function_call("call-1", "execute_code", arguments={"code": CODE})
                return ChatResponse(messages=Message("assistant", [call]))
            return ChatResponse(
                messages=Message("assistant", [f"Together: {results[0].items[0].text.strip()}"])
            )

        return answer()


@tool(approval_mode="never_require")
def price(item: str) -> float:
    """Says what an item costs."""
    return {"tea": 4.5, "cup": 7.25, "pot": 21.0}[item]


async def main() -> None:
    """Runs the agent."""
    agent = Agent(client=ScriptedClient(), context_providers=[HyperlightCodeActProvider(tools=[price])])
    response = await agent.run("What do a tea, a cup and a pot cost?")
    print(response.text)


if __name__ == "__main__":
    asyncio.run(main())
