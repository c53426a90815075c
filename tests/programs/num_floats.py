# Floats: shortest repr, rounding, special values, hex form, exact ratios.
import math
import struct

values = [0.1, 1 / 3, 1e16, 1e22, 1e23, 123456789.123456789, 5e-324, 1.7976931348623157e308, -0.0, 2.5, 1e-5, 0.0001]
print(*values)
print([round(v, 2) for v in (2.675, 1.005, 0.125, -2.5)], round(2.5), round(3.5), round(-1234.567, -2), round(1e20))
print(float("inf") - 1, math.nan != math.nan, float("-inf") < -1e308, 0.0 == -0.0, math.copysign(1, -0.0), float(" 1_0.5e1 "))
print((0.1).hex(), float.fromhex("0x1.8p3"), (0.75).as_integer_ratio(), (2.0).is_integer(), struct.pack(">d", 0.1).hex())
print(7.5 // 2, -7.5 // 2, -7.5 % 2, divmod(7.5, -2), 2**0.5, 10**-3, 1e308 * 10, -1e308 * 10, 1e200 * 1e-200)
print(sum([0.1] * 10), math.fsum([0.1] * 10), max(1, float("nan")), sorted([3, -math.inf, 2.5]), hash(1.0) == hash(1), hash(2.5))
messages = []
for bad in (lambda: 1.0 / 0, lambda: float("x"), lambda: 10.0**400, lambda: math.nan.as_integer_ratio(), lambda: 0.0**-1, lambda: round(math.inf), lambda: 1.5 % 0):
    try:
        bad()
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        messages.append(f"{type(error).__name__}: {error}")
print("\n".join(messages))
values + [math.inf, -math.inf, math.nan]
