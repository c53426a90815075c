# An exception raised from another one: the traceback shows both.
# raises: RuntimeError
def load(key):
    return {"a": 1}[key]


def convert():
    try:
        return load("b")
    except KeyError as error:
        raise RuntimeError("could not convert") from error


print("before")
convert()
