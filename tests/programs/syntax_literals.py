# Literals of every kind, escapes, implicit joining, and numbers in all bases.
numbers = [0b1010, 0o17, 0xFF, 1_000_000, 1e3, 1.5e-3, 3j, 0.1 + 0.2, 1e400, -0.0]
print(numbers)
texts = ["tab\there", r"raw\n", "quote'", 'quote"', """two
lines""", "\x41\u00e9\N{GREEK SMALL LETTER ALPHA}\U0001f600", "join" "ed", "line \
continued"]
for text in texts:
    print(ascii(text))
data = [b"\x00\xff\n", rb"\x", b"a" b"b", bytes(range(5))]
print(data, ..., Ellipsis is ..., (), (1,), {1: 2}, {1}, [])
numbers[:4] + texts + data
