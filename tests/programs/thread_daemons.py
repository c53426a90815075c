# Daemons do not keep the program from its end.
import threading

started = threading.Event()


def forever():
    started.set()
    threading.Event().wait()


for _ in range(3):
    threading.Thread(target=forever, daemon=True).start()
started.wait()
[threading.active_count(), threading.current_thread() is threading.main_thread()]
