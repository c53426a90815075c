# A join gives up at its time and may be tried again.
import threading
import time

thread = threading.Thread(target=time.sleep, args=(0.05,))
thread.start()
start = time.monotonic()
thread.join(0.01)
states = [thread.is_alive(), time.monotonic() - start >= 0.01]
thread.join()
[*states, thread.is_alive()]
