# Metaclasses, __init_subclass__, __set_name__, __prepare__ and __class_getitem__.
class Ordered(type):
    @classmethod
    def __prepare__(mcs, name, bases, **options):
        print("prepare", name, options)
        return {}

    def __new__(mcs, name, bases, namespace, **options):
        cls = super().__new__(mcs, name, bases, dict(namespace))
        cls.order = [key for key in namespace if not key.startswith("__")]
        return cls

    def __init__(cls, name, bases, namespace, **options):
        super().__init__(name, bases, namespace)
        cls.options = options

    def __call__(cls, *args):
        print("make", cls.__name__, args)
        return super().__call__(*args)


class Named:
    def __set_name__(self, owner, name):
        self.name = f"{owner.__name__}.{name}"

    def __get__(self, instance, owner):
        return self.name


class Base(metaclass=Ordered, flavour="sweet"):
    subclasses = []
    field = Named()

    def __init_subclass__(cls, **options):
        super().__init_subclass__()
        Base.subclasses.append((cls.__name__, options))

    def __class_getitem__(cls, item):
        return f"{cls.__name__}[{item.__name__}]"


class Child(Base, level=2):
    second = 2
    first = 1


child = Child()
(Base.order, Base.options, Child.order, Base.subclasses, child.field, Base[int])
