# Decorators with and without arguments, stacked, on classes, and functools.wraps.
import functools

calls = []


def traced(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        calls.append((function.__name__, args, tuple(sorted(kwargs.items()))))
        return function(*args, **kwargs)

    return wrapper


def times(n):
    return lambda function: lambda *args: [function(*args) for _ in range(n)]


@times(2)
@traced
def add(a, b=1):
    """Adds."""
    return a + b


@traced
def documented():
    """Has a docstring."""


def register(cls):
    cls.registered = True
    return cls


@register
class Thing:
    @staticmethod
    def static():
        return "static"

    @classmethod
    def named(cls):
        return cls.__name__

    @property
    def size(self):
        return 3


print(add(1), add(1, 5))
print(documented.__name__, documented.__doc__, documented.__wrapped__ is not documented)
print(Thing.registered, Thing.static(), Thing.named(), Thing().size)
calls
