# A string that is never closed.
# raises: SyntaxError
name = "unclosed
print(name)
