# Has threads that compute without end and are no daemons, in Python and in machine code. The run must end at its time.
ENDS = "TimeLimitError"
LIMITS = {"wall_time_s": 1}
import mmap, threading
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(b"\xeb\xfe")  # jmp self
def spin():
    while True:
        pass
for target in (spin, ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))):
    threading.Thread(target=target).start()
