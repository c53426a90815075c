# The traceback of a thread goes to standard error.
import threading


def fail():
    raise ZeroDivisionError("in a thread")


thread = threading.Thread(target=fail, name="failing")
thread.start()
thread.join()
