# Assignment expressions in conditions, comprehensions and loops.
import io

lines = io.StringIO("alpha\nbeta\n\ngamma\n")
seen = []
while line := lines.readline():
    if (word := line.strip()) and len(word) > 4:
        seen.append(word)
print(seen)
squares = [y for x in range(6) if (y := x * x) % 2 == 0]
print(squares, y)
total = 0
partial = [total := total + n for n in (3, 1, 4)]
(seen, squares, partial, total)
