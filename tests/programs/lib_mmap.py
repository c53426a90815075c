# mmap: anonymous memory, a file shared and private, resizing by truncation, errors.
import mmap
import os
import tempfile

with mmap.mmap(-1, 8192) as area:
    area.write(b"anonymous")
    area[4096:4100] = b"next"
    print(area[:9], area.find(b"next"), len(area))
    try:
        area.flush(1, 9)
    except OSError as error:
        print(error)
with tempfile.NamedTemporaryFile() as f:
    f.write(b"0123456789" * 1000)
    f.flush()
    with mmap.mmap(f.fileno(), 0) as shared:
        shared[5:8] = b"XYZ"
        shared.flush()
        print(shared[:12], shared.rfind(b"9"), shared.read(4), shared.tell())
    f.seek(0)
    print(f.read(10))
    with mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY) as private:
        private[0:3] = b"abc"
        print(private[:5], os.pread(f.fileno(), 5, 0))
    with mmap.mmap(f.fileno(), 4096, access=mmap.ACCESS_READ, offset=4096) as window:
        print(window[:4], len(window))
        try:
            window[0] = 1
        except TypeError as error:
            print(error)
    errors = []
    for bad in (lambda: mmap.mmap(f.fileno(), 100_000), lambda: mmap.mmap(f.fileno(), 10, offset=7), lambda: mmap.mmap(-1, -1)):
        try:
            bad()
        except (ValueError, OSError, OverflowError) as error:
            errors.append(type(error).__name__)
errors
