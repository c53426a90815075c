# Holes, truncation to both sides, appends through two descriptors, reads past the end, offsets of 32 bits and more.
import os
import tempfile

os.chdir(tempfile.mkdtemp())
with open("f", "wb") as f:
    f.seek(100_000)
    f.write(b"end")
    print(f.tell(), f.truncate(200_000), os.fstat(f.fileno()).st_size)
with open("f", "r+b") as f:
    print(f.read(5), f.seek(99_999), f.read(6), f.seek(-2, os.SEEK_END), f.read(10), f.read(10))
    f.truncate(100_001)
    print(f.seek(0, os.SEEK_END))
one, other = (os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND) for _ in range(2))
for n in range(100):
    os.write(one if n % 3 else other, b"%03d\n" % n)
os.close(one)
os.close(other)
with open("log") as f:
    print(f.read().split() == [f"{n:03d}" for n in range(100)])
fd = os.open("p", os.O_RDWR | os.O_CREAT)
print(os.pwrite(fd, b"abc", 5), os.pread(fd, 10, 0), os.pread(fd, 10, 100), os.lseek(fd, 0, os.SEEK_CUR))
print(os.writev(fd, [b"12", b"345"]), os.preadv(fd, [bytearray(3), bytearray(3)], 1))
for bad in (lambda: os.lseek(fd, -1, os.SEEK_SET), lambda: os.pread(fd, 1, -1), lambda: os.ftruncate(fd, -1)):
    try:
        bad()
    except OSError as error:
        print(error.errno)
os.fsync(fd)
os.close(fd)
with open("lines", "w") as f:
    for n in range(30_000):
        f.write(f"{n}\n")
with open("lines") as f:
    print(sum(int(line) for line in f), f.readline() == "")
with open("lines", "r+") as f:
    f.readline()
    f.seek(0, os.SEEK_CUR)
    f.write("changed")
with open("lines", buffering=1) as f, open("lines", "r+") as g:
    first = f.readline()
    g.write("X")
    g.flush()
    f.seek(0)
    print(repr(first), repr(f.readline()))
with open("new", "x") as f:
    f.write("x")
try:
    open("new", "x")
except FileExistsError as error:
    print(error)
[os.path.getsize(name) for name in sorted(os.listdir("."))]
