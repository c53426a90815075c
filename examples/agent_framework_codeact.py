"""An agent of Microsoft Agent Framework with hypercell's CodeAct provider, without a model.

    pip install hypercell[agent-framework]
    python examples/agent_framework_codeact.py

A scripted chat client plays the model: it asks for one block of code and says what came back. The block calls two
tools; one of them has to be approved, which pauses the block at each of its calls. Middleware of the agent sees all of
them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from agent_framework import (
    Agent,
    BaseChatClient,
    ChatResponse,
    Content,
    FunctionInvocationContext,
    FunctionInvocationLayer,
    Message,
    function_middleware,
    tool,
)

from hypercell.codeact import Approval, ApprovalRequest
from hypercell.integrations.agent_framework import CodeActProvider

CODE = """
paid, refused = [], []
for order in open_orders(customer='ada'):
    try:
        paid.append(refund(order=order['id'], amount=order['total']))
    except ToolError as error:
        refused.append(error.message)
{'paid': paid, 'refused': refused}
"""


class ScriptedClient(FunctionInvocationLayer[Any], BaseChatClient[Any]):
    """Asks for `CODE`, and then repeats what came back."""

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
            return ChatResponse(messages=Message("assistant", [results[0].items[0].text]))

        return answer()


@tool(approval_mode="never_require")
def open_orders(customer: str) -> list[dict[str, Any]]:
    """Lists the open orders of a customer."""
    return [{"id": 1, "customer": customer, "total": 20}, {"id": 2, "customer": customer, "total": 900}]


@tool(approval_mode="always_require")
def refund(order: int, amount: int) -> str:
    """Refunds an order."""
    return f"{amount} for order {order}"


async def approve(request: ApprovalRequest) -> Approval:
    """Approves small refunds. A person may take as long as they like; nothing is blocked meanwhile."""
    return Approval.allow() if request.arguments["amount"] <= 100 else Approval.deny("more than 100")


@function_middleware
async def log(context: FunctionInvocationContext, call_next: Callable[[], Awaitable[None]]) -> None:
    """Prints each call, of the model and from inside the block."""
    print(f"called {context.function.name}")
    await call_next()


async def main() -> None:
    """Runs the agent."""
    provider = CodeActProvider(tools=[open_orders, refund], approve=approve)
    agent = Agent(client=ScriptedClient(), context_providers=[provider], middleware=[log])
    response = await agent.run("Refund Ada's open orders.")
    print(response.text)


if __name__ == "__main__":
    asyncio.run(main())
