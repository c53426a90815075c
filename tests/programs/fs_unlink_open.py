# A file whose name is gone lives on in its open descriptors.
import os
import tempfile

fd, path = tempfile.mkstemp()
os.write(fd, b"still here")
os.unlink(path)
print(os.path.exists(path), os.fstat(fd).st_nlink, os.pread(fd, 20, 0))
with open(path, "w") as f:
    f.write("another file")
print(os.pread(fd, 20, 0), open(path).read())
os.write(fd, b", and growing")
print(os.fstat(fd).st_size)
os.close(fd)
try:
    os.write(fd, b"x")
except OSError as error:
    print(error)
os.unlink(path)
os.path.lexists(path)
