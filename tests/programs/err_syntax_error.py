# A program that cannot be compiled: nothing of it runs.
# raises: SyntaxError
print("never printed")
total = (1 + 2
for x in range(3):
    pass
