# A statement that is right by the grammar and wrong in its place.
# raises: SyntaxError
def f():
    return 1


return f()
