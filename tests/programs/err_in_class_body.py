# An exception while a class is made.
# raises: TypeError
class Base:
    def __init_subclass__(cls, **options):
        raise TypeError(f"{cls.__name__} may not be a subclass")


class Child(Base):
    field = 1
