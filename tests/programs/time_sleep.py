# time.sleep waits at least as long as asked, and not much longer.
import time

waits = []
for seconds in (0, 0.001, 0.02, 0.1):
    before = time.monotonic()
    time.sleep(seconds)
    waited = time.monotonic() - before
    waits.append(seconds <= waited < seconds + 0.5)
try:
    time.sleep(-1)
except ValueError as error:
    print(error)
waits
