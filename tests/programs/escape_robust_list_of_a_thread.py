# Ends threads whose lists of locks are circles, lead to the kernel or to nothing. The program must go on.
EXPECTED = ["done", "done", "done", "done"]
import threading
circle = (ctypes.c_uint64 * 3)()
circle[0], circle[1] = ctypes.addressof(circle) + 8, 8
seen = []
def end_with(head):
    syscall(273, ctypes.c_void_p(head), 24)
    seen.append("done")
for head in (ctypes.addressof(circle), 0x7000_1000, 1 << 62, 1):
    thread = threading.Thread(target=end_with, args=(head,))
    thread.start()
    thread.join()
seen
