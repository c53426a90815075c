# Comprehensions: nested loops, conditions, scopes, and dict, set and generator forms.
matrix = [[1, 2, 3], [4, 5, 6]]
print([cell for row in matrix for cell in row if cell % 2])
print([[row[i] for row in matrix] for i in range(3)])
print({word: len(word) for word in ["a", "bb", "ccc"]})
print(sorted({n % 3 for n in range(10)}))
x = "outer"
inner = [x for x in range(3)]
print(x, inner)


class Scope:
    base = 10
    listed = [n * 2 for n in range(base)][:3]


functions = [lambda: i for i in range(3)]
bound = [lambda i=i: i for i in range(3)]
print([f() for f in functions], [f() for f in bound])
(Scope.listed, sum(n * n for n in range(5)), x)
