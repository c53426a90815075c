# Sets the clocks. All must be refused, and time goes on.
EXPECTED = ["EPERM", "EPERM", "EPERM", "EPERM", "EPERM", True]
import time
before = time.time()
timex = ctypes.create_string_buffer(b"\xff" * 208)
[
    attempt(time.clock_settime, time.CLOCK_REALTIME, 0),
    attempt(time.clock_settime, time.CLOCK_MONOTONIC, 0),
    syscall(164, timex, timex),
    syscall(159, timex),
    syscall(305, 0, timex),
    before <= time.time() < before + 60,
]
