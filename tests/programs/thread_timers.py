# Timers call once, in order of their time, unless they are cancelled.
import threading

fired = []
timers = [threading.Timer(delay, fired.append, [delay]) for delay in (0.45, 0.15, 0.3, 0.4)]
for timer in timers:
    timer.start()
timers[3].cancel()
for timer in timers:
    timer.join()
fired
