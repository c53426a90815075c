# Signals are handled by the main thread, whoever they were sent to, and end its waits.
import os
import signal
import threading
import time

seen = []
signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(threading.current_thread() is threading.main_thread()))
threading.Timer(0.02, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
time.sleep(0.1)
thread = threading.Thread(target=time.sleep, args=(0.05,))
thread.start()
signal.pthread_kill(thread.ident, signal.SIGUSR1)
thread.join()
time.sleep(0)
old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
masks = []
thread = threading.Thread(target=lambda: masks.append(signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, ())))
thread.start()
thread.join()
os.kill(os.getpid(), signal.SIGUSR1)
pending = signal.sigpending() == {signal.SIGUSR1}
signal.pthread_sigmask(signal.SIG_SETMASK, old)
[seen, masks, pending]
