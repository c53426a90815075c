# Integers of many digits: arithmetic, bases, bits, roots, modular powers, conversion limits.
import math
import sys

big = 3**1000 - 2**500
print(big % 10**20, big.bit_length(), len(str(big)), (-big) // 7 % 1000, math.isqrt(big) % 10**9)
print(pow(3, 10**18, 10**9 + 7), pow(3, -1, 11), math.gcd(big, 3**50), hex(2**200 - 1), int("zz", 36), int("0b101", 0))
print((2**100).to_bytes(13, "big").hex(), int.from_bytes(b"\xff\xfe", "little", signed=True), (-5).to_bytes(2, "big", signed=True))
print(~big & 0xFFFF, big >> 1500, -1 >> 10, 1 << 100, (10**30).__format__("_d"), bin(-10), (1234).bit_count())
limit = sys.get_int_max_str_digits() if hasattr(sys, "get_int_max_str_digits") else 0
print(limit)
messages = []
for bad in (lambda: int("x1"), lambda: 2**100 / 0, lambda: int(float("inf")), lambda: (256).to_bytes(1, "big"), lambda: pow(2, -1, 4), lambda: 1 << -1, lambda: float(10**400), lambda: int("1" * 5000) if limit else int("_1")):
    try:
        bad()
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        messages.append(f"{type(error).__name__}: {error}")
print("\n".join(messages))
product = 1
for n in range(1, 301):
    product *= n
[big, -big, product, 2**63, -(2**63), 2**64, -(2**64) - 1, 0]
