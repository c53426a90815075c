# functools: caches, partial, reduce, singledispatch, cached_property, cmp_to_key.
import functools


@functools.lru_cache(maxsize=32)
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@functools.singledispatch
def show(value):
    return f"other {value!r}"


@show.register
def _(value: int):
    return f"int {value}"


@show.register(list)
def _(value):
    return [show(v) for v in value]


class Circle:
    computed = 0

    @functools.cached_property
    def area(self):
        Circle.computed += 1
        return 3

    @functools.singledispatchmethod
    def take(self, value):
        return "any"

    @take.register
    def _(self, value: str):
        return "text"


print(fibonacci(80), fibonacci.cache_info())
print(show([1, "x", [2]]), show.dispatch(bool).__name__)
circle = Circle()
print(circle.area, circle.area, Circle.computed, circle.take("x"), circle.take(1))
base_two = functools.partial(int, base=2)
print(base_two("1010"), base_two.keywords, functools.reduce(lambda a, b: a * 10 + b, [1, 2, 3]))
sorted(["bb", "a", "ccc"], key=functools.cmp_to_key(lambda a, b: len(b) - len(a)))
