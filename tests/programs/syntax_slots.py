# __slots__, weak references to slotted objects, and what a slotted class refuses.
import weakref


class Small:
    __slots__ = ("a", "b", "__weakref__")

    def __init__(self, a):
        self.a = a


class Smaller(Small):
    __slots__ = ("c",)


item = Smaller(1)
item.c = 3
found = []
for action in (lambda: setattr(item, "d", 4), lambda: item.b, lambda: item.__dict__):
    try:
        action()
    except AttributeError as error:
        found.append(type(error).__name__)
reference = weakref.ref(item)
alive = reference() is item
del item
print(found, alive, reference())
[found, alive, reference() is None, Smaller.__slots__, sorted(n for n in dir(Smaller) if len(n) == 1)]
