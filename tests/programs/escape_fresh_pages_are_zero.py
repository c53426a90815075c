# Looks for what others left in fresh memory: mappings, the heap, files that grow, buffers of the C library.
EXPECTED = [True, True, True, True]
import mmap
sizes = [4096, 1 << 16, 8 << 20]
maps = all(mmap.mmap(-1, size)[:] == bytes(size) for size in sizes)
with open("/tmp/grown", "w+b") as file:
    file.truncate(4 << 20)
    file.seek((8 << 20) - 1)
    file.write(b"\0")
    file.seek(0)
    hole = file.read() == bytes(8 << 20)
sbrk = ctypes.CDLL(None).sbrk
sbrk.restype, sbrk.argtypes = ctypes.c_void_p, [ctypes.c_long]
heap = ctypes.string_at(sbrk(1 << 20), 1 << 20) == bytes(1 << 20)
[maps, hole, heap, mmap.mmap(-1, 4096)[:4] == b"\0\0\0\0"]
