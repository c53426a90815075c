"""CPU-bound pieces of ordinary Python, as source text, so that guest and host run exactly the same code.

Each defines `work()`, allocates little that lives on, asks the operating system for nothing, and takes about
a tenth of a second natively.
"""

from typing import Any

from hypercell import Sandbox
from hypercell._bench import seconds_of

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
    "zlib": """
import zlib
block = b"".join(b"%d: the quick brown fox %d\\n" % (i, i * 7919 % 1009) for i in range(40_000))
def work():
    packed = zlib.compress(block, 6)
    return len(packed), zlib.crc32(zlib.decompress(packed))
""",
    "sqlite": """
import sqlite3
def work():
    base = sqlite3.connect(":memory:")
    base.execute("create table t (id integer primary key, grp integer, name text)")
    base.executemany("insert into t values (?, ?, ?)", [(i, i * 7919 % 101, f"name {i}") for i in range(40_000)])
    found = base.execute("select grp, count(*), max(name) from t group by grp order by 2 desc, 1").fetchall()
    base.close()
    return found[0]
""",
}

PACKAGE_KERNELS = {
    "matrix_product": """
import numpy as np
a = np.random.default_rng(1).standard_normal((900, 900))
def work():
    return float((a @ a)[0, 0])
""",
    "groupby": """
import numpy as np, pandas as pd
rng = np.random.default_rng(2)
frame = pd.DataFrame({"key": rng.integers(0, 1000, 400_000), "x": rng.standard_normal(400_000)})
def work():
    return float(frame.groupby("key")["x"].agg(["sum", "mean", "max"])["mean"].iloc[-1])
""",
    "regex_package": """
import regex
text = "2024-02-29 ERROR disk=95% host=web-1 user=ann@example.org\\n" * 300
def work():
    n = 0
    for _ in range(30):
        n += len(regex.findall(r"(\\w+)=([^\\s@]+)(?:@([\\w.]+))?", text))
    return n
""",
}


def shares_of_native(box: Sandbox, source: str, repeats: int) -> list[float]:
    """Runs a kernel natively and in a kept VM in turns; returns the guest's speeds as shares of the native ones."""
    native: dict[str, Any] = {}
    exec(source, native)
    box.run(source).raise_for_error()
    assert box.run("work()").value == native["work"]()
    shares = []
    for _ in range(repeats):
        native_s = seconds_of(native["work"])
        shares.append(native_s / seconds_of(lambda: box.run("work()")))
    return shares
