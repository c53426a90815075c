# Attributes that are not there, on objects, modules, None and classes.
# raises: AttributeError
import math

messages = []
for action in (lambda: None.strip(), lambda: math.squareroot(2), lambda: [].add(1), lambda: int.missing, lambda: setattr(5, "x", 1), lambda: object().x):
    try:
        action()
    except AttributeError as error:
        messages.append(str(error))
print("\n".join(messages))


class Order:
    total = 3


Order().totals
