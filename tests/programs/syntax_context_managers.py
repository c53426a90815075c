# The with statement: order, suppression, several managers, parenthesised form, errors on the way in and out.
log = []


class Room:
    def __init__(self, name, swallow=None):
        self.name, self.swallow = name, swallow

    def __enter__(self):
        log.append(f"enter {self.name}")
        return self

    def __exit__(self, kind, error, trace):
        log.append(f"leave {self.name} with {kind.__name__ if kind else None}")
        return bool(kind and self.swallow and issubclass(kind, self.swallow))


with (
    Room("a", swallow=LookupError) as a,
    Room("b"),
):
    log.append(a.name)
    raise KeyError("gone")

try:
    with Room("c"), Room("d"):
        raise ValueError("kept")
except ValueError as error:
    log.append(str(error))

for n in range(3):
    with Room(f"loop{n}"):
        if n == 1:
            break

try:
    with object():
        pass
except (TypeError, AttributeError) as error:
    log.append(type(error).__name__)
print("\n".join(log))
log
