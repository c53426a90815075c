# Each thread has a stack of its own, on which deep recursion ends in RecursionError.
import threading

results = []


class Deep:
    def __repr__(self):
        return repr(self)


def python(depth):
    return 1 + python(depth + 1)


def attempt(function, *args):
    try:
        function(*args)
    except RecursionError:
        results.append("RecursionError")


threads = [threading.Thread(target=attempt, args=(python, 0)) for _ in range(3)]
threads += [threading.Thread(target=attempt, args=(repr, Deep())) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
results
