# Recursion without an end stops at the interpreter's own limit.
# raises: RecursionError
def down(n):
    return down(n + 1)


print("going down")
down(0)
