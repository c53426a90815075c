# Starts threads that would outlive the run. None may start.
EXPECTED = ["RuntimeError", "RuntimeError", "RuntimeError", "RuntimeError", 1]
import concurrent.futures, threading, _thread
pool = concurrent.futures.ThreadPoolExecutor()
[attempt(threading.Thread(target=print).start), attempt(_thread.start_new_thread, print, ()), attempt(pool.submit, print), attempt(threading.Timer(0, print).start), threading.active_count()]
