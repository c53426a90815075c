"""A model for Agent Framework that says what a test tells it to."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from agent_framework import BaseChatClient, ChatResponse, Content, FunctionInvocationLayer, Message


class ScriptedClient(FunctionInvocationLayer[Any], BaseChatClient[Any]):
    """Calls `execute_code` with each block in turn, and then says "done".

    Attributes:
        asked: What the model was asked each time: messages and options.
    """

    def __init__(self, *blocks: str, **options: Any) -> None:
        FunctionInvocationLayer.__init__(self, **options)
        BaseChatClient.__init__(self)
        self._script = [
            Content.from_function_call(f"call-{n}", "execute_code", arguments=json.dumps({"code": block}))
            for n, block in enumerate(blocks)
        ]
        self.asked: list[tuple[list[Message], Mapping[str, Any]]] = []

    def _inner_get_response(
        self, *, messages: Sequence[Message], stream: bool, options: Mapping[str, Any], **_: Any
    ) -> Awaitable[ChatResponse]:
        assert not stream

        async def answer() -> ChatResponse:
            self.asked.append((list(messages), dict(options)))
            contents = [self._script.pop(0)] if self._script else ["done"]
            return ChatResponse(messages=Message(role="assistant", contents=contents))

        return answer()

    @property
    def results(self) -> list[Content]:
        """What the calls of `execute_code` returned to the model, in order."""
        contents = [content for message in self.asked[-1][0] for content in message.contents]
        return [content for content in contents if content.type == "function_result"]


def run(make: Callable[[], Awaitable[Any]]) -> Any:
    """Runs a coroutine function to its end."""

    async def main() -> Any:
        return await make()

    return asyncio.run(main())


def text_of(result: Content) -> str:
    """Returns the text in a function result."""
    return "".join(item.text for item in result.items or [] if item.type == "text")
