# Changes a file of the image through a private mapping made writable. The file must stay as it was.
EXPECTED = [True, True, "EACCES"]
import mmap
path = os.__file__
before = open(path, "rb").read()
file = open(path, "rb")
private = mmap.mmap(file.fileno(), len(before), access=mmap.ACCESS_COPY)
private[:6] = b"broken"
shared = attempt(mmap.mmap, file.fileno(), len(before), access=mmap.ACCESS_WRITE)
[open(path, "rb").read() == before, before[:6] != b"broken", shared]
