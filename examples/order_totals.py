"""Computes what eight customers owe: one block of model-style code in a micro-VM calls five tools, 36 times.

    python examples/order_totals.py

Prints the totals, the number of tool calls and the times. Exits with 1 where a total is not the expected one.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypercell

DATA: Any = json.loads(Path(__file__).with_name("orders.json").read_text(encoding="utf-8"))
EXPECTED_TOOL_CALLS = 36

# What a model writes when it is told which tools there are: it never sees the data, and the answer leaves the
# sandbox as a plain value.
CODE = """\
totals = []
for user in list_users():
    discount_rate = get_discount_rate(tier=user["tier"])
    tax_rate = get_tax_rate(region=user["region"])
    grand_total = 0.0
    for order in get_orders_for_user(user_id=user["id"]):
        grand_total += compute_line_total(
            qty=order["qty"],
            unit_price=order["unit_price"],
            discount_rate=discount_rate,
            tax_rate=tax_rate,
        )
    totals.append({"user_id": user["id"], "name": user["name"], "grand_total": round(grand_total, 2)})

totals.sort(key=lambda row: row["grand_total"], reverse=True)
for row in totals:
    print(f"{row['name']:<8} {row['grand_total']:>8.2f}")
totals
"""


def list_users() -> list[dict[str, Any]]:
    """Lists all users with id, name, region and tier."""
    users: list[dict[str, Any]] = DATA["users"]
    return users


def get_orders_for_user(user_id: int) -> list[dict[str, Any]]:
    """Lists the orders of one user: product, qty and unit_price each."""
    orders: list[dict[str, Any]] = DATA["orders"][str(user_id)]
    return orders


def get_discount_rate(tier: str) -> float:
    """Returns the discount of a tier, as a fraction of the price."""
    return float(DATA["discount_rates"][tier])


def get_tax_rate(region: str) -> float:
    """Returns the tax of a region, as a fraction of the price."""
    return float(DATA["tax_rates"][region])


def compute_line_total(qty: int, unit_price: float, discount_rate: float, tax_rate: float) -> float:
    """Computes what one order line costs after discount and with tax, to the cent."""
    return round(qty * unit_price * (1 - discount_rate) * (1 + tax_rate), 2)


TOOLS: list[Callable[..., Any]] = [
    list_users,
    get_orders_for_user,
    get_discount_rate,
    get_tax_rate,
    compute_line_total,
]


def main() -> int:
    """Runs the block once and returns the exit status."""
    started = time.perf_counter()
    with hypercell.Sandbox(tools=TOOLS) as box:
        ready = time.perf_counter()
        result = box.run(CODE)
        done = time.perf_counter()
    result.raise_for_error()

    print(result.stdout, end="")
    print(f"tool calls: {result.usage.tool_calls}")
    print(f"sandbox ready: {(ready - started) * 1000:.1f} ms, run: {(done - ready) * 1000:.1f} ms")
    if result.value != DATA["expected_grand_totals_descending"]:
        print(f"totals differ from the expected ones: {result.value}", file=sys.stderr)
        return 1
    if result.usage.tool_calls != EXPECTED_TOOL_CALLS:
        print(f"{result.usage.tool_calls} tool calls, not {EXPECTED_TOOL_CALLS}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
