# seek, tell, truncate, holes, and overlapping handles on one file.
import os
import tempfile

with tempfile.NamedTemporaryFile("w+b", buffering=0) as f:
    f.write(b"0123456789")
    print(f.seek(-3, os.SEEK_END), f.read(), f.seek(2), f.seek(3, os.SEEK_CUR), f.read(1))
    f.truncate(4)
    print(f.tell(), os.path.getsize(f.name), f.seek(0), f.read())
    f.seek(10_000)
    f.write(b"far")
    print(os.path.getsize(f.name), os.pread(f.fileno(), 5, 3), os.pread(f.fileno(), 10, 10_000), os.pread(f.fileno(), 4, 20_000))
    f.truncate(20_000)
    print(os.path.getsize(f.name), os.pread(f.fileno(), 3, 19_990))
    with open(f.name, "r+b") as other:
        other.write(b"ABC")
    f.seek(0)
    print(f.read(5), os.pwrite(f.fileno(), b"zz", 1), os.pread(f.fileno(), 4, 0))
    errors = []
    for bad in (lambda: f.seek(-1), lambda: os.lseek(f.fileno(), -5, os.SEEK_SET), lambda: os.ftruncate(f.fileno(), -1)):
        try:
            bad()
        except (OSError, ValueError) as error:
            errors.append(f"{type(error).__name__} {error}")
errors
