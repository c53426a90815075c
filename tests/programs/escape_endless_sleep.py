# Sleeps for years with every call that waits. The limit of time must end it.
ENDS = "TimeLimitError"
LIMITS = {"wall_time_s": 1.0}
import time
while True:
    try:
        time.sleep(1e8)
    except BaseException:
        pass
