# fractions: exact arithmetic, limits, conversion.
from fractions import Fraction
from math import gcd, lcm, pi

third = Fraction(1, 3)
print(third + Fraction("0.25"), Fraction(0.5), Fraction("7/21"), third**-2, third**0.5)
print(Fraction(pi).limit_denominator(1000), round(Fraction(7, 2)), divmod(Fraction(7, 2), third))
print(sum(Fraction(1, n) for n in range(1, 21)), gcd(84, 36, 60), lcm(4, 6, 10))
try:
    Fraction(1, 0)
except ZeroDivisionError as error:
    print(error)
[third.numerator, third.denominator, float(third), third.as_integer_ratio(), Fraction(3, 6) == 0.5]
