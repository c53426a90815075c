"""What CodeAct saves: the orders of eight customers by plain tool calls, and by one block of code. No model is needed.

    python examples/codeact_order_totals.py

A script plays the model three times: one tool call a turn; all calls that do not depend on each other in one turn; and
one `execute_code`. Prints turns, tokens and the time of the tools and the sandbox, without that of a model, which would
come to each turn. Tokens are characters divided by 4; what is read again in each turn counts each time.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from order_totals import CODE, DATA, TOOLS

from hypercell.codeact import CodeActProvider, ExecuteCodeTool

QUESTION = "What does each customer owe, after discount and with tax? Highest first."
#: A tool call as a model writes it: name and arguments.
Call = tuple[str, dict[str, Any]]


def tokens(*texts: str) -> int:
    """Returns about how many tokens texts are."""
    return sum(-(-len(text) // 4) for text in texts)


class Conversation:
    """Counts what a model would read and write."""

    def __init__(self, tools: str) -> None:
        self._context = tokens(tools, QUESTION)
        self.turns = self.read = self.written = 0

    def turn(self, written: str, answered: str) -> None:
        """Notes a turn: the model reads all there is, and writes; then it is answered."""
        self.turns += 1
        self.read += self._context
        self.written += tokens(written)
        self._context += tokens(written, answered)


def in_turns(
    by_name: dict[str, Callable[..., Any]], at_once: int
) -> tuple[Conversation, list[dict[str, Any]]]:
    """Plays a model that calls tools directly, so many a turn at most."""
    schemas = [tool.schema | {"name": tool.name} for tool in CodeActProvider(TOOLS).get_tools()]
    talk = Conversation(json.dumps(schemas))

    def call(calls: list[Call]) -> list[Any]:
        results = []
        for start in range(0, len(calls), at_once):
            some = calls[start : start + at_once]
            given = [by_name[name](**arguments) for name, arguments in some]
            talk.turn(json.dumps(some), json.dumps(given))
            results += given
        return results

    (users,) = call([("list_users", {})])
    orders = call([("get_orders_for_user", {"user_id": user["id"]}) for user in users])
    discounts = call([("get_discount_rate", {"tier": user["tier"]}) for user in users])
    taxes = call([("get_tax_rate", {"region": user["region"]}) for user in users])
    lines = [
        ("compute_line_total", {**pick(order), "discount_rate": discount, "tax_rate": tax})
        for of_user, discount, tax in zip(orders, discounts, taxes, strict=True)
        for order in of_user
    ]
    totals = iter(call(lines))
    # A model would have to add these up in its head.
    answer = [
        {
            "user_id": user["id"],
            "name": user["name"],
            "grand_total": round(sum(next(totals) for _ in of_user), 2),
        }
        for user, of_user in zip(users, orders, strict=True)
    ]
    answer.sort(key=lambda row: row["grand_total"], reverse=True)
    talk.turn(json.dumps(answer), "")
    return talk, answer


def pick(order: dict[str, Any]) -> dict[str, Any]:
    """Returns what `compute_line_total` takes of an order."""
    return {"qty": order["qty"], "unit_price": order["unit_price"]}


async def in_one_block(tool: ExecuteCodeTool) -> tuple[Conversation, list[dict[str, Any]]]:
    """Plays a model that writes code."""
    talk = Conversation(tool.description + json.dumps(tool.parameters))
    result = await tool.execute_code(CODE)
    talk.turn(CODE, result.render())
    answer: list[dict[str, Any]] = result.value
    talk.turn(json.dumps(answer), "")
    return talk, answer


def show(name: str, talk: Conversation, answer: list[dict[str, Any]], started: float) -> bool:
    """Prints a line; returns whether the answer is right."""
    taken_ms = (time.perf_counter() - started) * 1000
    print(f"{name:26} {talk.turns:5} {talk.read:12} {talk.written:15} {taken_ms:8.1f} ms")
    expected: list[dict[str, Any]] = DATA["expected_grand_totals_descending"]
    return answer == expected


async def main() -> int:
    """Plays all three and returns the exit status."""
    by_name = {function.__name__: function for function in TOOLS}
    print(f"{'':26} {'turns':>5} {'tokens read':>12} {'tokens written':>15} {'time':>11}")
    started = time.perf_counter()
    right = [show("one call a turn", *in_turns(by_name, 1), started)]
    started = time.perf_counter()
    right.append(show("calls side by side", *in_turns(by_name, 100), started))
    tool = CodeActProvider(TOOLS).create_run_tool()
    await tool.execute_code("None")
    started = time.perf_counter()
    right.append(show("one block of code", *await in_one_block(tool), started))
    if not all(right):
        print("a total is not the expected one", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
