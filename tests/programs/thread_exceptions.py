# An exception that ends a thread is printed, and harms no other.
import sys
import threading

caught = []


def fail(number):
    if number % 2:
        raise LookupError(number)
    if number == 4:
        sys.exit(1)


threading.excepthook = lambda args: caught.append((args.exc_type.__name__, args.exc_value.args, args.thread.name))
threads = [threading.Thread(target=fail, args=(number,), name=f"T{number}") for number in range(6)]
for thread in threads:
    thread.start()
    thread.join()
[caught, [thread.is_alive() for thread in threads]]
