# Allocations that no machine can serve raise MemoryError at once and leave the program going.
seen = []
for action in (lambda: bytearray(1 << 62), lambda: "x" * (1 << 61), lambda: [0] * (1 << 60), lambda: b"".rjust(1 << 62), lambda: (1,) * (1 << 60)):
    try:
        action()
    except MemoryError as error:
        seen.append(repr(error))
    except OverflowError as error:
        seen.append(type(error).__name__)
print(seen)
[seen, len(bytearray(1 << 20))]
