# The message of a KeyError is the repr of its key.
# raises: KeyError
table = {"a": 1, ("x", 2): 3}
for key in ("b", ("y", None), 5):
    try:
        table[key]
    except KeyError as error:
        print(str(error), error.args)
table["it's"]
