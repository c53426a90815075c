# The traceback of a thread goes to standard error.
import contextlib
import io
import threading


def fail():
    raise ZeroDivisionError("in a thread")


with contextlib.redirect_stderr(io.StringIO()) as printed:
    thread = threading.Thread(target=fail, name="failing")
    thread.start()
    thread.join()
lines = printed.getvalue().splitlines()
[lines[0], lines[-1]]
