"""The order totals by a model: with plain tools, and with one block of code.

    OPENAI_MODEL=gpt-5-mini OPENAI_API_KEY=... python examples/codeact_with_a_model.py

Speaks to any endpoint for chat completions as OpenAI describes them: `OPENAI_BASE_URL` names another one, such as
`http://localhost:8000/v1` of a model on this machine, which may need no key. Prints the answers, and turns, tokens and
time as the endpoint counts them.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from codeact_order_totals import QUESTION
from order_totals import TOOLS

from hypercell.codeact import CodeActProvider

_MAX_TURNS = 60
_TIMEOUT_S = 300


def complete(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> dict[str, Any]:
    """Asks the model for its next message."""
    base = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1").rstrip("/")
    body = {"model": os.environ["OPENAI_MODEL"], "messages": messages, "tools": tools}
    headers = {"Content-Type": "application/json"}
    if "OPENAI_API_KEY" in os.environ:
        headers["Authorization"] = f"Bearer {os.environ['OPENAI_API_KEY']}"
    # The user names the endpoint.
    request = urllib.request.Request(f"{base}/chat/completions", json.dumps(body).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
        answer: dict[str, Any] = json.load(response)
    return answer


def described(name: str, description: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Returns a tool as the endpoint takes it."""
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def converse(way: str, tools: list[dict[str, Any]], call: Callable[[str, dict[str, Any]], str]) -> None:
    """Talks with the model until it calls no tool any more, and prints what it said and what that cost."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": QUESTION}]
    turns = read = written = 0
    started = time.perf_counter()
    while turns < _MAX_TURNS:
        turns += 1
        answer = complete(messages, tools)
        usage = answer.get("usage") or {}
        read, written = read + usage.get("prompt_tokens", 0), written + usage.get("completion_tokens", 0)
        message = answer["choices"][0]["message"]
        messages.append(message)
        if not message.get("tool_calls"):
            break
        for wanted in message["tool_calls"]:
            result = call(wanted["function"]["name"], json.loads(wanted["function"]["arguments"]))
            messages.append({"role": "tool", "tool_call_id": wanted["id"], "content": result})
    print(
        f"{way}: {turns} turns, {read} tokens read, {written} written, {time.perf_counter() - started:.1f} s"
    )
    print(messages[-1].get("content"), end="\n\n")


def main() -> int:
    """Asks both ways and returns the exit status."""
    if "OPENAI_MODEL" not in os.environ:
        print(
            "set OPENAI_MODEL, and OPENAI_API_KEY or OPENAI_BASE_URL; see the head of this file",
            file=sys.stderr,
        )
        return 2
    provider = CodeActProvider(TOOLS)
    plain = {tool.name: tool for tool in provider.get_tools()}

    def call_plain(name: str, arguments: dict[str, Any]) -> str:
        # What a model got wrong is for the model to put right.
        try:
            return json.dumps(plain[name].function(**arguments))
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    tools = [described(tool.name, tool.description, dict(tool.schema)) for tool in plain.values()]
    converse("plain tools", tools, call_plain)

    block = provider.create_run_tool()

    def call_block(name: str, arguments: dict[str, Any]) -> str:
        if name != block.name or not isinstance(arguments.get("code"), str):
            return f"there is one tool, {block.name}, which takes code"
        return block.execute_code_sync(arguments["code"]).render()

    converse("one block of code", [described(block.name, block.description, block.parameters)], call_block)
    return 0


if __name__ == "__main__":
    sys.exit(main())
