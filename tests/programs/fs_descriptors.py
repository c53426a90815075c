# Raw descriptors: flags, vectors, exclusive creation, duplication, closing ranges.
import os
import tempfile

os.chdir(tempfile.mkdtemp())
fd = os.open("f", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
print(os.writev(fd, [b"one", b"two", b"three"]), os.lseek(fd, 0, os.SEEK_SET))
buffers = [bytearray(2), bytearray(5), bytearray(50)]
print(os.readv(fd, buffers), buffers[0], buffers[1], bytes(buffers[2][:4]))
print(os.preadv(fd, [bytearray(3)], 3), os.pwritev(fd, [b"X", b"Y"], 0), os.pread(fd, 4, 0))
copy = os.dup(fd)
os.lseek(copy, 1, os.SEEK_SET)
print(os.read(fd, 1), os.get_inheritable(fd), os.dup2(fd, copy) == copy)
os.fsync(fd)
os.fdatasync(fd)
append = os.open("f", os.O_WRONLY | os.O_APPEND)
os.write(append, b"-end")
os.lseek(append, 0, os.SEEK_SET)
os.write(append, b"!")
print(os.pread(fd, 100, 9))
os.closerange(copy, copy + 1)
errors = []
for bad in (lambda: os.open("f", os.O_CREAT | os.O_EXCL), lambda: os.read(append, 1), lambda: os.fstat(copy), lambda: os.open("f", os.O_DIRECTORY), lambda: os.open("none", os.O_RDONLY), lambda: os.ftruncate(os.open("f", os.O_RDONLY), 0)):
    try:
        bad()
    except OSError as error:
        errors.append((type(error).__name__, error.strerror))
print(os.pread(os.open("f", os.O_RDWR | os.O_TRUNC), 5, 0))
errors
