"""What many programs do, run once while an image is built, after the program that warms VMs up.

The kernel notes which pages this writes, and in which order. A program that writes one of them gets a copy of those
that come next with it. The order is that in which programs tend to do things; a page that is never written costs
nothing.
"""

import collections
import datetime
import json
import re
import sys

print("hello", 1, 2.5)
sys.stderr.write("a line\n")
users = [{"name": f"user {n}", "age": 20 + n % 7, "tags": ["a", "b"]} for n in range(40)]


def total(orders, *, since=None):
    return sum(
        order["price"] * order.get("count", 1) for order in orders if since is None or order["at"] > since
    )


for n in range(3):
    answer = call_tool("echo", rows={"n": n, "text": "x", "list": [1, 2.5, None, True]})
    assert answer is None or answer["n"] == n
by_age = collections.defaultdict(list)
for user in users:
    by_age[user["age"]].append(user["name"])
print(sorted(by_age.items(), key=lambda item: -len(item[1]))[:2])
orders = [{"price": 2.5 * n, "count": n, "at": n} for n in range(20)]
print(f"{total(orders, since=3):.2f}", max(orders, key=lambda order: order["price"]))
text = json.dumps({"users": users, "orders": orders}, indent=1)
assert json.loads(text)["orders"] == orders
words = re.findall(r"[a-z]+", text.lower())
print(collections.Counter(words).most_common(3))


class Account:
    def __init__(self, name, balance=0):
        self.name, self.balance = name, balance

    def pay(self, amount):
        if amount > self.balance:
            raise ValueError(f"{self.name} has only {self.balance}")
        self.balance -= amount


account = Account("ann", 10)
try:
    account.pay(20)
except ValueError as error:
    print(error)
today = datetime.date(2024, 2, 29) + datetime.timedelta(days=1)
{"day": today.isoformat(), "names": {user["name"] for user in users}, "big": 2**100}
