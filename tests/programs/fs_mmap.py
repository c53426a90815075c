# mmap of a file: private and shared, read, search, write back, resize errors.
import mmap
import os
import tempfile

os.chdir(tempfile.mkdtemp())
with open("f", "wb") as f:
    f.write(b"".join(b"line %06d\n" % n for n in range(20_000)))
with open("f", "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
    print(len(m), m[:12], m.find(b"line 012345"), m.rfind(b"\n"), m[-12:])
    m.seek(12 * 10_000)
    print(m.readline(), m.tell())
    try:
        m[0] = 1
    except TypeError as error:
        print(error)
with open("f", "r+b") as f:
    with mmap.mmap(f.fileno(), 0) as m:
        m[0:4] = b"LINE"
        m[200_000:200_004] = b"here"
        m.flush()
    f.seek(0)
    print(f.read(12))
with open("f", "r+b") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY) as m:
    m[0:4] = b"copy"
    print(m[:4], open("f", "rb").read(4))
with open("f", "r+b") as f:
    with mmap.mmap(f.fileno(), 8192, offset=mmap.ALLOCATIONGRANULARITY) as m:
        m[0] = 0x21
    f.seek(mmap.ALLOCATIONGRANULARITY)
    print(f.read(3))
    f.seek(100)
    f.write(b"by write")
with open("f", "r+b") as f:
    m = mmap.mmap(f.fileno(), 0)
    with open("f", "r+b") as g:
        g.seek(50_000)
        g.write(b"untouched by the mapping")
    m[150_000] = 0x2A
    m.close()
    f.seek(50_000)
    print(f.read(24))
try:
    with open("empty", "w+b") as f:
        mmap.mmap(f.fileno(), 0)
except ValueError as error:
    print(error)
data = open("f", "rb").read()
[len(data), data[100:108], data[150_000], data[200_000:200_004]]
