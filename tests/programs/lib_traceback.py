# traceback and linecache: formatting of exceptions and stacks from inside a program.
import linecache
import sys
import traceback


def inner(n):
    return 1 // n


def outer():
    try:
        inner(0)
    except ZeroDivisionError as error:
        raise ValueError("outer failed") from error


try:
    outer()
except ValueError as error:
    text = "".join(traceback.format_exception(error))
    summary = traceback.extract_tb(error.__traceback__)
    traceback.print_exc(file=sys.stdout, limit=1)
print(text)
print([(f.name, f.lineno, f.line) for f in summary])
print(linecache.getline("<code>", 8).rstrip())
shown = traceback.TracebackException(TypeError, TypeError("bare"), None)
print(list(shown.format()), traceback.format_exception_only(KeyError, KeyError("k")))
try:
    outer()
except ValueError:
    traceback.print_exc()
[len(summary), summary[-1].filename, sys.exc_info()[0]]
