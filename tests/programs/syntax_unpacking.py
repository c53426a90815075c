# Unpacking in assignments, calls and displays; swaps; starred targets.
first, *rest = "abcd"
*start, last = range(5)
(a, b), [c, *d] = (1, 2), [3, 4, 5]
a, b = b, a
print(first, rest, start, last, a, b, c, d)


def show(*args, key="none", **kwargs):
    return args, key, kwargs


print(show(*[1, 2], *(3,), key="k", **{"x": 1}, **{"y": 2}))
merged = {**{"a": 1, "b": 2}, "b": 3, **{"c": 4}}
print([*range(3), *"xy"], {*[1, 1, 2]}, merged, (*[], 1))
errors = []
for bad in ([1], [1, 2, 3], 5):
    try:
        p, q = bad
    except (ValueError, TypeError) as error:
        errors.append(str(error))
print(errors)
try:
    show(**{"key": 1}, **{"key": 2})
except TypeError as error:
    print(str(error).split(".")[-1])
(rest, start, d, merged)
