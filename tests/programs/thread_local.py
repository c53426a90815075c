# What is local to a thread is not seen by another, and goes with it.
import threading
import weakref


class Mine(threading.local):
    def __init__(self):
        self.made_in = threading.current_thread().name


class Thing:
    pass


mine, seen, things = Mine(), [], []


def look(name):
    mine.value = name
    threading.Event().wait(0.002)
    thing = mine.thing = Thing()
    things.append(weakref.ref(thing))
    seen.append((mine.made_in, mine.value))


threads = [threading.Thread(target=look, args=(n,), name=f"T{n}") for n in range(5)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
[sorted(seen), hasattr(mine, "value"), mine.made_in, [ref() for ref in things]]
