"""An integral, a limit, a series, equations solved, a matrix inverted, factors, primes and 200 digits of pi."""
# packages: sympy
# image: text
import sympy as sp
from sympy.core.cache import clear_cache


def work():
    clear_cache()
    x, y = sp.symbols("x y")
    matrix = sp.Matrix([[1, x], [y, 2]])
    return {
        "integral": str(sp.integrate(x**2 * sp.exp(-x), (x, 0, sp.oo))),
        "limit": str(sp.limit(sp.sin(x) / x, x, 0)),
        "series": str(sp.series(sp.tan(x), x, 0, 8)),
        "solved": sorted(map(str, sp.solve(x**3 - 6 * x**2 + 11 * x - 6, x))),
        "system": str(sp.solve([x + y - 3, x - y - 1], [x, y])),
        "inverse": str(sp.simplify(matrix.inv())),
        "factors": str(sp.factor(x**6 - 1)),
        "integer": {int(p): int(n) for p, n in sp.factorint(2**61 - 2).items()},
        "pi": str(sp.pi.evalf(200))[-10:],
        "latex": sp.latex(sp.diff(sp.sqrt(x**2 + 1), x)),
        "called": sp.lambdify(x, sp.cos(x) ** 2, "math")(0.5),
    }
