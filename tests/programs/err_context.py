# An exception raised while another one is handled: the traceback shows both, and `from None` hides one.
# raises: TypeError
def hidden():
    try:
        1 / 0
    except ZeroDivisionError:
        raise LookupError("hidden cause") from None


try:
    hidden()
except LookupError as error:
    print(error.__suppress_context__, type(error.__context__).__name__)
    len(5)
