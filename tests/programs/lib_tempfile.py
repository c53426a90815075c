# tempfile: named and unnamed files, directories that vanish, spooled files.
import os
import tempfile

with tempfile.TemporaryFile() as f:
    f.write(b"hidden")
    f.seek(0)
    print(f.read(), os.fstat(f.fileno()).st_size)
with tempfile.NamedTemporaryFile("w+", suffix=".txt", prefix="hc-") as f:
    f.write("named")
    f.flush()
    path = f.name
    print(os.path.basename(path).startswith("hc-"), path.endswith(".txt"), open(path).read(), oct(os.stat(path).st_mode & 0o777))
print(os.path.exists(path))
with tempfile.TemporaryDirectory() as folder:
    for n in range(3):
        open(os.path.join(folder, f"{n}"), "w").close()
    os.mkdir(os.path.join(folder, "deep"))
    print(sorted(os.listdir(folder)), oct(os.stat(folder).st_mode & 0o777))
print(os.path.exists(folder))
with tempfile.SpooledTemporaryFile(max_size=10) as f:
    f.write(b"12345")
    small = f._rolled
    f.write(b"67890123")
    print(small, f._rolled, f.seek(0), f.read())
fd, path = tempfile.mkstemp()
os.close(fd)
os.unlink(path)
[os.path.isdir(tempfile.gettempdir()), os.path.exists(path)]
