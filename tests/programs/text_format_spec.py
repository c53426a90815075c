# The format mini-language for text, numbers, and own types.
rows = [("Widget", 3, 9.99), ("Gadget", 1, 19.99), ("Thingamajig", 4, 4.5)]
for name, quantity, price in rows:
    print(f"{name:<12}|{quantity:^5d}|{price:>10.2f}|{price * quantity:010.3f}")
print(f"{1234567.891:,.1f} {1234567:_d} {0xDEADBEEF:_x} {5:+} {-5: } {5: } {3.0:g} {1e-10:g} {1e20:g} {0.5:.0%} {12.5e10:.3E}")
print(f"{'text':*^10} {'text':.2} {True} {True:d} {65:c} {1 + 2j:.1f} {float('nan'):>6} {float('-inf'):06} {10:#o}")
print("{:{}{}{}.{}}".format(3.14159, "*", ">", 10, 2), "{0[k]} {1.imag}".format({"k": "v"}, 2j), "{!s:>5}".format(None))


class Money:
    def __init__(self, cents):
        self.cents = cents

    def __format__(self, spec):
        return f"{self.cents / 100:{spec or '.2f'}} €"


print(f"{Money(1999)} {Money(500):>8.1f}")
messages = []
for value, spec in ((5, "z"), ("x", "d"), (5, ".2"), (1.5, "x"), ("x", "=5"), ([1], ">5"), (5, "1.5.5")):
    try:
        format(value, spec)
    except (ValueError, TypeError) as error:
        messages.append(str(error))
messages
