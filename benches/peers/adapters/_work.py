"""What every peer is given to do: the same programs, the same tools, and the answers that count as right.

A program is a body and the expression whose value is its answer, because peers differ in how a value leaves them:
some return the last expression, some a variable, some only what was printed.
"""

import importlib.util
import re
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
Tool = Callable[..., Any]


@dataclass(frozen=True)
class Program:
    """A piece of work: `expected` and `stdout` are what a run must give, `tool_calls` how often it must call."""

    body: str
    answer: str
    expected: Any
    stdout: str = ""
    tools: tuple[Tool, ...] = ()
    tool_calls: int = 0
    modules: tuple[str, ...] = ()

    def as_expression(self) -> str:
        """Returns the source for peers that return the value of the last expression."""
        return f"{self.body}\n{self.answer}\n"

    def as_variable(self, name: str) -> str:
        """Returns the source for peers that hand out a global."""
        return f"{self.body}\n{name} = {self.answer}\n"

    def awaited(self) -> str:
        """Returns the body for peers whose tools are coroutines."""
        names = "|".join(tool.__name__ for tool in self.tools)
        return re.sub(rf"\b({names})\(", r"await \1(", self.body) if names else self.body


class Counter:
    """Counts the tool calls that really reached the host."""

    calls = 0


def counted(tool: Tool) -> Tool:
    """Returns the tool with its name, signature and documentation, and a count of its calls."""

    @wraps(tool)
    def counting(*args: Any, **kwargs: Any) -> Any:
        Counter.calls += 1
        return tool(*args, **kwargs)

    return counting


def add_one(value: int) -> int:
    """Returns the number after `value`.

    Args:
        value: Any whole number.
    """
    return value + 1


def orders() -> Program:
    """Returns the program of `examples/order_totals.py`, unchanged, with its tools."""
    sys.path.insert(0, str(EXAMPLES))
    # The example imports hypercell for its own main(), which is not used here; other peers do not have it.
    stand_in = "hypercell" not in sys.modules and importlib.util.find_spec("hypercell") is None
    if stand_in:
        sys.modules["hypercell"] = types.ModuleType("hypercell")
    example = importlib.import_module("order_totals")
    if stand_in:
        del sys.modules["hypercell"]
    body, _, answer = example.CODE.rstrip().rpartition("\n")
    totals = example.DATA["expected_grand_totals_descending"]
    return Program(
        body=body,
        answer=answer,
        expected=totals,
        stdout="".join(f"{row['name']:<8} {row['grand_total']:>8.2f}\n" for row in totals),
        tools=tuple(counted(tool) for tool in example.TOOLS),
        tool_calls=example.EXPECTED_TOOL_CALLS,
    )


ONE_PLUS_ONE = Program(body="", answer="1+1", expected=2)

CALLS = Program(
    body="total = 0\nfor i in range(1000):\n    total += add_one(value=i)",
    answer="total",
    expected=500_500,
    tools=(counted(add_one),),
    tool_calls=1000,
)

LOOP = Program(
    body="""\
def work():
    total = 0
    for i in range(1_000_000):
        total += i & 7
    return total""",
    answer="work()",
    expected=3_500_000,
)

JSON = Program(
    body="""\
import json

def work():
    rows = [{"id": i, "name": f"item {i}", "tags": ["a", "b"], "price": i / 4} for i in range(2000)]
    text = json.dumps(rows)
    back = json.loads(text)
    return [len(text), len(back), back[-1]["price"]]""",
    answer="work()",
    expected=[140_340, 2000, 499.75],
    modules=("json",),
)

REGEX = Program(
    body=r"""
import re

def work():
    line = "2026-11-%02d user%d@example.org paid %d.50 EUR; "
    text = "".join([line % (i % 28 + 1, i, i) for i in range(2000)])
    found = re.findall(r"(\d{4})-(\d\d)-(\d\d) (\w+)@([\w.]+) paid (\d+\.\d\d)", text)
    return [len(found), found[-1][3], len(re.sub(r"\d+", "#", text))]""",
    answer="work()",
    expected=[2000, "user1999", 76_000],
    modules=("re",),
)

DATACLASS = Program(
    body="""\
from dataclasses import dataclass

@dataclass
class Item:
    name: str
    qty: int
    price: float = 0.25

    def total(self):
        return self.qty * self.price

def work():
    items = [Item(f"item {i}", i % 10) for i in range(5000)]
    items.sort(key=lambda item: item.total(), reverse=True)
    return [sum([item.total() for item in items]), items[0].name, items[0] == Item("item 9", 9)]""",
    answer="work()",
    expected=[5625.0, "item 9", True],
    modules=("dataclasses",),
)


def programs() -> dict[str, Program]:
    """Returns every program by the name that the driver uses."""
    return {
        "one_plus_one": ONE_PLUS_ONE,
        "orders": orders(),
        "calls": CALLS,
        "loop": LOOP,
        "json": JSON,
        "regex": REGEX,
        "dataclass": DATACLASS,
    }
