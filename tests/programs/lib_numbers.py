# operator, numbers, cmath, math: functions over numbers with exact and special inputs.
import cmath
import math
import numbers
import operator

print(operator.itemgetter(1, 0)("ab"), operator.attrgetter("real")(3j), operator.methodcaller("upper")("x"), operator.index(True))
print(isinstance(3, numbers.Integral), isinstance(2.5, numbers.Rational), isinstance(1j, numbers.Complex))
print(math.comb(50, 25), math.perm(10, 3), math.isqrt(10**30), math.factorial(25), math.prod([1.5, 2, 4]))
print(math.fsum([0.1] * 10), math.hypot(3, 4, 12), math.frexp(8.5), math.ldexp(0.5, 4), math.modf(-2.75))
print(math.nextafter(1, 2), math.ulp(1.0), math.remainder(7, 4), math.fmod(-7, 4), math.copysign(1, -0.0))
print(math.isclose(0.1 + 0.2, 0.3), math.floor(-2.5), math.ceil(-2.5), math.trunc(-2.5), math.dist([0, 0], [1, 1]))
print(math.sin(1), math.exp(1), math.log(10), math.log2(8), math.gamma(5.5), math.erf(0.5), math.atan2(-1, -1))
print(cmath.sqrt(-4), cmath.exp(cmath.pi * 1j), cmath.polar(1 + 1j), cmath.phase(-1), cmath.isnan(complex("nan")))
messages = []
for bad in (lambda: math.sqrt(-1), lambda: math.log(0), lambda: math.exp(1000), lambda: math.factorial(-1), lambda: cmath.log(0)):
    try:
        bad()
    except (ValueError, OverflowError) as error:
        messages.append(f"{type(error).__name__}: {error}")
messages + [math.inf, -math.inf, math.tau]
