# Text files: encodings, newline translation, errors, iteration, and writelines.
import os
import tempfile

path = os.path.join(tempfile.mkdtemp(), "text")
with open(path, "w", encoding="utf-16", newline="\r\n") as f:
    f.write("één\ntwee\n")
print(open(path, "rb").read().hex())
print(open(path, encoding="utf-16").readlines(), open(path, encoding="utf-16", newline="").read().encode())
with open(path, "wb") as f:
    f.write(b"ok\xffbad\nmore\r\nmac\rend")
for errors in ("replace", "ignore", "backslashreplace", "surrogateescape"):
    print(ascii(open(path, encoding="utf-8", errors=errors).readline()))
try:
    open(path, encoding="utf-8").read()
except UnicodeDecodeError as error:
    print(error, error.start)
with open(path, encoding="latin-1") as f:
    print([line for line in f], f.newlines)
with open(path, "w", encoding="ascii") as f:
    f.writelines(f"{n}\n" for n in range(3))
    try:
        f.write("é")
    except UnicodeEncodeError as error:
        print(error)
with open(path) as f:
    print(next(f), f.readline(), f.read(1), f.encoding.lower().replace("-", ""))
    try:
        next(f)
        next(f)
        f.tell()
    except (OSError, StopIteration) as error:
        print(type(error).__name__)
with open(path, "w", buffering=1) as f:
    f.write("line\npart")
    print(open(path).read())
open(path).read()
