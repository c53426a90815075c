"""CPU-bound pieces of ordinary Python, as source text, so that guest and host run exactly the same code.

Each defines `work()`, allocates little that lives on, asks the operating system for nothing, and takes about
a tenth of a second natively.
"""

KERNELS = {
    "loops": """
def work():
    total = 0
    for i in range(2_500_000):
        if i & 3:
            total += i ^ 5
    return total
""",
    "calls": """
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
def work():
    return fib(30)
""",
    "dict": """
def work():
    counts = {}
    for i in range(1_300_000):
        key = i * 7919 % 5003
        counts[key] = counts.get(key, 0) + 1
    return len(counts)
""",
    "str": """
def work():
    words = []
    for i in range(300_000):
        words.append(f"item-{i:06d}".upper().replace("-", "_"))
    text = " ".join(words)
    return len(text.split("_")) + text.count("99")
""",
    "objects": """
class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y
    def moved(self, dx):
        return Point(self.x + dx, self.y - dx)
def work():
    point = Point(0, 0)
    for i in range(700_000):
        point = point.moved(i & 7)
    return point.x
""",
    "json": """
import json
rows = [{"id": i, "name": f"user {i}", "tags": ["a", "b", str(i)], "score": i / 7} for i in range(400)]
def work():
    n = 0
    for _ in range(160):
        n += len(json.loads(json.dumps(rows)))
    return n
""",
    "regex": """
import re
text = "2024-02-29 ERROR disk=95% host=web-1 user=ann@example.org\\n" * 300
def work():
    n = 0
    for _ in range(260):
        n += len(re.findall(r"(\\w+)=([^\\s@]+)(?:@([\\w.]+))?", text))
    return n
""",
    "float": """
import math
def work():
    x = y = 0.0
    vx, vy = 1.0, 0.5
    for _ in range(700_000):
        r = math.sqrt(x * x + y * y + 1.0)
        vx -= x / (r * r * r) * 0.01
        vy -= y / (r * r * r) * 0.01
        x += vx * 0.01
        y += vy * 0.01
    return x
""",
    "sort": """
def work():
    values = [(i * 7919) % 100_003 for i in range(450_000)]
    values.sort()
    return sorted(values, key=lambda v: -v)[0]
""",
    "sha256": """
import hashlib
block = bytes(1 << 20)
def work():
    digest = hashlib.sha256()
    for _ in range(180):
        digest.update(block)
    return digest.hexdigest()
""",
}
