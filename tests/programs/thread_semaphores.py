# A semaphore lets as many through as it has room for.
import threading
import time

room, inside, most, guard = threading.BoundedSemaphore(3), 0, 0, threading.Lock()


def visit():
    global inside, most
    with room:
        with guard:
            inside += 1
            most = max(most, inside)
        time.sleep(0.005)
        with guard:
            inside -= 1


threads = [threading.Thread(target=visit) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
try:
    room.release()
except ValueError as error:
    print(error)
[inside, most]
