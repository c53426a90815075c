# Takes memory until there is no more, in several ways. Each must be a MemoryError, and the program goes on.
EXPECTED = ["MemoryError", "MemoryError", "MemoryError", "ENOSPC", 1048576]
LIMITS = {"memory_bytes": 67_108_864}
import mmap
def double():
    data = [0]
    while True:
        data = data * 2
def keep():
    kept = []
    while True:
        kept.append(bytes(1 << 20))
def files():
    with open("/tmp/bomb", "wb") as file:
        while True:
            file.write(bytes(1 << 20))
found = [attempt(double), attempt(keep), attempt(lambda: bytearray(1 << 40)), attempt(files)]
os.remove("/tmp/bomb")
found + [len(bytes(1 << 20))]
