# The names that a program starts with, and its module.
import sys

print(__name__, __doc__, __builtins__ is not None)
print(sys.modules["__main__"].__dict__ is globals())


def here():
    return sys._getframe().f_code.co_filename, sys._getframe().f_lineno, sys._getframe().f_back.f_code.co_name


class Local:
    pass


print(here(), Local.__module__, Local.__qualname__, here.__module__)
[here(), repr(Local), eval("__name__"), Local.__module__]
