# The thread and gc modules of a program that has one thread.
import gc
import sys
import threading

lock = threading.RLock()
with lock, lock:
    print(threading.current_thread().name, threading.active_count(), threading.main_thread() is threading.current_thread())
local = threading.local()
local.x = 1
event = threading.Event()
print(event.wait(0.01), event.set(), event.wait(0), local.x, threading.Lock().acquire(timeout=0.1))
condition = threading.Condition()
with condition:
    print(condition.wait(0.01))
blocked = threading.Lock()
blocked.acquire()
print(blocked.acquire(blocking=False), blocked.acquire(timeout=0.01))
semaphore = threading.Semaphore(1)
gc.disable()
state = gc.isenabled()
gc.enable()
[state, gc.isenabled(), semaphore.acquire(), semaphore.acquire(blocking=False), sys.getswitchinterval() > 0]
