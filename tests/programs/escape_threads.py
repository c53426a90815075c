# Starts as many threads as it can, which would outlive the run. There is a bound, and the next run finds none of them.
EXPECTED = [1, "can't start new thread", 256]
import threading
found = threading.active_count()
gate = threading.Event()
try:
    while threading.active_count() < 10_000:
        threading.Thread(target=gate.wait, daemon=True).start()
except RuntimeError as error:
    refusal = str(error)
# The one that failed to start is no longer counted from 3.12 on, and still is in some earlier versions.
[found, refusal, len([one for one in threading.enumerate() if one.is_alive()])]
