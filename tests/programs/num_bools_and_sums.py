# Booleans as numbers, sum, min, max, any, all, range arithmetic, divmod and sorting stability.
print(True + True, True * 3, isinstance(True, int), sum([True, False, True]), max(True, 2), bool("False"), not [])
print(sum([[1], [2]], []), sum((0.5, 1)), min("b", "a"), max([1, 5, 3], key=lambda n: -n), min([], default="none"))
print(any([]), all([]), any(n > 2 for n in [1, 3]), range(10)[2:8:3], 7 in range(1, 10, 2), len(range(0, -10, -3)), list(reversed(range(3))))
people = [("b", 2), ("a", 2), ("c", 1)]
print(sorted(people, key=lambda p: p[1]), sorted(people, key=lambda p: p[1], reverse=True), sorted([3, 1, 2], reverse=True))
print(list(zip("ab", range(5))), list(enumerate("ab", 1)), list(map(pow, [2, 3], [3, 2])), list(filter(None, [0, 1, "", "x"])))
messages = []
for bad in (lambda: sum(["a", "b"]), lambda: max([]), lambda: sorted([1, "a"]), lambda: range(1, 10, 0), lambda: list(zip([1], [], strict=True)), lambda: next(iter([])), lambda: [].pop(), lambda: {}.popitem()):
    try:
        bad()
    except (TypeError, ValueError, StopIteration, LookupError) as error:
        messages.append(f"{type(error).__name__}: {error}")
messages
