# A file that is not there.
# raises: FileNotFoundError
for number in (1, 2, 13, 17, 20, 21, 32, 39):
    error = OSError(number, "text", "name")
    print(type(error).__name__, error)
with open("/no/such/file.txt") as f:
    print(f.read())
