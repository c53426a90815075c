# itertools: every kind of iterator it has.
import itertools as it
import operator

print(list(it.islice(it.count(10, 5), 4)), list(it.islice(it.cycle("ab"), 5)), list(it.repeat(7, 2)))
print(list(it.accumulate([1, 2, 3, 4], operator.mul, initial=1)), list(it.chain("ab", [1])), list(it.chain.from_iterable([[1], [2, 3]])))
print(list(it.compress("abcd", [1, 0, 1, 0])), list(it.dropwhile(str.isdigit, "12ab3")), list(it.takewhile(str.isdigit, "12ab3")))
print(list(it.filterfalse(None, [0, 1, "", 2])), list(it.starmap(pow, [(2, 3), (3, 2)])), list(it.zip_longest("abc", "x", fillvalue="-")))
print([(key, list(group)) for key, group in it.groupby("aabbbca")], list(it.pairwise("abcd")))
print(list(it.product("ab", repeat=2)), list(it.permutations("abc", 2)), sep="\n")
print(list(it.combinations("abcd", 2)), list(it.combinations_with_replacement("ab", 2)), sep="\n")
left, right = it.tee(iter(range(3)))
print(next(left), list(right), list(left))
[sum(1 for _ in it.permutations(range(6))), list(zip(*[iter("abcdef")] * 2))]
