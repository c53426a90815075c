# Operator methods: arithmetic, reflected, in place, comparison, containers, calls, truth.
from functools import total_ordering


@total_ordering
class Vector:
    def __init__(self, *parts):
        self.parts = parts

    def __repr__(self):
        return f"Vector{self.parts}"

    def __add__(self, other):
        return Vector(*(a + b for a, b in zip(self.parts, other.parts)))

    def __mul__(self, factor):
        return Vector(*(a * factor for a in self.parts)) if isinstance(factor, int) else NotImplemented

    __rmul__ = __mul__

    def __matmul__(self, other):
        return sum(a * b for a, b in zip(self.parts, other.parts))

    def __neg__(self):
        return self * -1

    def __eq__(self, other):
        return isinstance(other, Vector) and self.parts == other.parts

    def __lt__(self, other):
        return self.parts < other.parts

    def __hash__(self):
        return hash(self.parts)

    def __len__(self):
        return len(self.parts)

    def __getitem__(self, index):
        return self.parts[index]

    def __contains__(self, item):
        return item in self.parts

    def __call__(self, text):
        return f"{text}{self.parts}"

    def __bool__(self):
        return any(self.parts)

    def __format__(self, spec):
        return "<" + ", ".join(format(p, spec) for p in self.parts) + ">"


v, w = Vector(1, 2), Vector(3, 4)
print(v + w, 3 * v, v * 2, v @ w, -v)
v += w
print(v, v > w, v >= w, v != w, sorted([v, w, Vector()]))
print(len(v), v[0], v[-1:], list(v), 6 in v, v("call"), bool(Vector(0)), f"{v:.2f}")
try:
    v * "x"
except TypeError as error:
    print(error)
print(1 < 2 < 3 > 2, not 1 == 2, 7 // -2, 7 % -2, -7 // 2, divmod(-7, 2), 2**-1, ~5, 6 ^ 3, 1 << 10)
[v @ w, len({v, Vector(4, 6)}), [] or "x", 0 and 1]
