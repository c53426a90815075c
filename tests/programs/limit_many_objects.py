# Half a million objects made, linked and dropped.
import gc

numbers = list(range(500_000))
table = {n: str(n) for n in range(100_000)}
words = [("x" * (n % 20), n) for n in range(100_000)]
print(len(numbers), len(table), len({w for w, _ in words}), sum(numbers))
chain = None
for n in range(100_000):
    chain = (n, chain)
depth = 0
while chain is not None:
    chain = chain[1]
    depth += 1
del numbers, words
gc.collect()
[depth, table[99_999]]
