# pprint: width, depth, sorting, recursion.
import pprint

data = {"users": [{"name": f"user{n}", "roles": ["admin", "editor", "viewer"][: n % 3 + 1]} for n in range(4)], "empty": {}, "long": "word " * 30, "set": {3, 1, 2}}
pprint.pprint(data, width=60)
pprint.pprint(data, depth=1, sort_dicts=False, compact=True)
loop = [1]
loop.append(loop)
print(pprint.saferepr(["x", {"k": (1, 2)}]), pprint.isrecursive(loop), pprint.isreadable(data))
pprint.pformat([["a" * 20, "b" * 20], list(range(30))], width=50)
