# Descriptors, properties, __getattr__ and attribute look-up order.
class Positive:
    def __set_name__(self, owner, name):
        self.slot = "_" + name

    def __get__(self, instance, owner=None):
        return self if instance is None else getattr(instance, self.slot)

    def __set__(self, instance, value):
        if value <= 0:
            raise ValueError(f"{self.slot[1:]} must be positive, not {value}")
        setattr(instance, self.slot, value)

    def __delete__(self, instance):
        delattr(instance, self.slot)


class Box:
    width = Positive()

    def __init__(self, width):
        self.width = width

    @property
    def area(self):
        return self.width**2

    @area.setter
    def area(self, value):
        self.width = int(value**0.5)

    @area.deleter
    def area(self):
        del self.width

    def __getattr__(self, name):
        if name.startswith("get_"):
            return lambda: getattr(self, name[4:])
        raise AttributeError(f"no {name}")


box = Box(3)
box.area = 49
print(box.width, box.area, box.get_area(), vars(box))
messages = []
for action in (lambda: setattr(box, "width", -1), lambda: box.missing, lambda: delattr(box, "area"), lambda: box.width):
    try:
        action()
        messages.append("ok")
    except (ValueError, AttributeError) as error:
        messages.append(str(error))
messages
