# decimal: contexts, rounding, signals, exactness.
from decimal import (
    ROUND_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    getcontext,
    localcontext,
)

print(Decimal("0.1") + Decimal("0.2"), Decimal(0.1), Decimal("1.10").normalize())
price = Decimal("2.675")
print([price.quantize(Decimal("0.01"), rounding=r) for r in (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_DOWN)])
print(getcontext().prec, Decimal(1) / Decimal(7))
with localcontext() as context:
    context.prec = 50
    print(Decimal(2).sqrt(), Decimal(1).exp(), Decimal(10).ln())
    context.traps[Inexact] = True
    try:
        Decimal(1) / 3
    except Inexact as error:
        print("inexact", error.args[0] if error.args else "")
for bad in (lambda: Decimal(1) / 0, lambda: Decimal("x"), lambda: Decimal("sNaN") + 1):
    try:
        bad()
    except (DivisionByZero, InvalidOperation) as error:
        print(type(error).__name__, error)
print(Decimal("-Infinity"), Decimal("NaN"), Decimal("1E+5"), f"{Decimal('1234567.891'):,.2f}", Decimal("1e-30").as_tuple())
[Decimal("123456789012345678901234567890.123456789"), sum([Decimal("0.10")] * 3), Decimal("1E+400")]
