# A thread that is no daemon is waited for at the end of the program, and what it prints is seen.
import threading
import time

levels = []


def late(level):
    time.sleep(0.01)
    print("level", level)
    levels.append(level)
    if level:
        threading.Thread(target=late, args=(level - 1,)).start()


threading.Thread(target=late, args=(3,)).start()
levels
