# Many small prints and one large one.
for n in range(2000):
    print(n, "x" * (n % 40))
print("y" * 300_000)
"done"
