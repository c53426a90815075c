"""What programs of a language model do in their first milliseconds, run once while an image is built.

The kernel notes the pages that this dirties and copies them in bulk at each later start. So it touches what ordinary
programs touch: printing, calling a tool, JSON, dates, regular expressions, classes, exceptions. It must not leave
anything behind that a program could see.
"""

import collections
import datetime
import decimal
import json
import math
import random
import re
import statistics
import uuid
from dataclasses import dataclass, field


@dataclass
class Order:
    number: int
    items: list[str] = field(default_factory=list)

    def total(self, prices):
        return sum(prices[item] for item in self.items)


def failing(depth):
    if depth == 0:
        raise ValueError("as expected")
    return failing(depth - 1)


rows = call_tool("echo", rows=[{"id": number, "name": f"row {number}"} for number in range(20)])
by_name = {row["name"]: row for row in rows}
print(len(by_name), "rows")

prices = {"apple": decimal.Decimal("1.20"), "pear": decimal.Decimal("0.85")}
orders = [Order(number, ["apple", "pear"] * number) for number in range(5)]
print({order.number: str(order.total(prices)) for order in orders})

text = json.dumps({"rows": rows, "pi": math.pi}, indent=2, sort_keys=True)
assert json.loads(text)["rows"] == rows
words = collections.Counter(re.findall(r"\w+", text.lower()))
print(words.most_common(3))

start = datetime.datetime(2024, 2, 28, tzinfo=datetime.timezone.utc)
days = [(start + datetime.timedelta(days=offset)).strftime("%Y-%m-%d") for offset in range(3)]
print(", ".join(days), statistics.mean(random.random() for _ in range(10)) < 1)
print(f"{uuid.uuid4()!s:.0}{1234567.891:,.2f}", sorted(prices, key=prices.get))

with open("/tmp/workload.txt", "w", encoding="utf-8") as file:
    file.write(text)
with open("/tmp/workload.txt", encoding="utf-8") as file:
    assert file.read() == text

for _ in range(2):
    try:
        failing(5)
    except ValueError as error:
        print(type(error).__name__, error)

assert call_tool("echo", rows=[]) == []
[order.number for order in orders]
