# A value with many items of every plain type.
import uuid
from datetime import date, timedelta
from decimal import Decimal

rows = [
    {"n": n, "f": n / 7, "s": f"row {n}", "b": bytes([n % 256]), "t": (n, None), "d": date(2024, 1, 1) + timedelta(days=n), "m": Decimal(n) / 8, "set": {n, n + 1}, "frozen": frozenset([n]), "u": uuid.UUID(int=n)}
    for n in range(1000)
]
print(len(rows))
rows
