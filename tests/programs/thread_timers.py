# Timers call once, in order of their time, unless they are cancelled.
import threading

fired = []
timers = [threading.Timer(delay, fired.append, [delay]) for delay in (0.06, 0.02, 0.04, 0.05)]
for timer in timers:
    timer.start()
timers[3].cancel()
for timer in timers:
    timer.join()
fired
