# Starts a thread whose stack is nowhere. The run must end with a report.
ENDS = "GuestCrashError"
import time
syscall(56, 0x10F00, ctypes.c_void_p(16), 0, 0, 0)
time.sleep(5)
