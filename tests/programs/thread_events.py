# An event lets all go that wait for it, and only then.
import threading
import time

event, seen = threading.Event(), []


def wait():
    seen.append((event.is_set(), event.wait(5)))


threads = [threading.Thread(target=wait) for _ in range(10)]
for thread in threads:
    thread.start()
time.sleep(0.02)
before = [thread.is_alive() for thread in threads]
event.set()
for thread in threads:
    thread.join()
event.clear()
[before, seen, event.wait(0.01)]
