# Locks guard a counter, are owned or not, and time out.
import threading

lock, total = threading.Lock(), 0


def add(times):
    global total
    for _ in range(times):
        with lock:
            value = total
            if value % 100 == 0:
                threading.Event().wait(0)
            total = value + 1


threads = [threading.Thread(target=add, args=(500,)) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
again = threading.RLock()
taken = []


def try_both():
    taken.append(again.acquire(timeout=0.02))
    taken.append(again.acquire(blocking=False))


with again, again:
    other = threading.Thread(target=try_both)
    other.start()
    other.join()
try:
    lock.release()
except RuntimeError as error:
    taken.append(str(error))
[total, taken, lock.locked()]
