# The messages of wrong types.
# raises: TypeError
messages = []
for action in (lambda: 1 + "a", lambda: len(5), lambda: [] < {}, lambda: None[0], lambda: {[]: 1}, lambda: iter(3), lambda: 5(), lambda: "a"["b"], lambda: int([]), lambda: object() @ 1, lambda: (lambda x: x)(), lambda: sorted(3), lambda: {**5}, lambda: print(*5), lambda: abs("x"), lambda: isinstance(1, 2)):
    try:
        action()
    except TypeError as error:
        messages.append(str(error).replace("__main__.", ""))
print("\n".join(messages))
"total: " + 5
