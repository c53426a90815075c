# tempfile: files with and without a name, directories that clean up, spooled files, names and modes.
import os
import stat
import tempfile

with tempfile.TemporaryFile() as f:
    f.write(b"abc")
    f.seek(0)
    print(f.read(), f.tell())
with tempfile.NamedTemporaryFile("w+", suffix=".txt", prefix="pre-") as f:
    f.write("line 1\nline 2\n")
    f.flush()
    name = f.name
    with open(name) as again:
        print(again.readlines(), os.path.basename(name).startswith("pre-"), name.endswith(".txt"))
    print(oct(stat.S_IMODE(os.stat(name).st_mode)))
print(os.path.exists(name))
kept = tempfile.NamedTemporaryFile(delete=False)
kept.write(b"kept")
kept.close()
print(os.path.getsize(kept.name))
os.unlink(kept.name)
with tempfile.TemporaryDirectory() as folder:
    print(os.listdir(folder), oct(stat.S_IMODE(os.stat(folder).st_mode)))
    os.makedirs(os.path.join(folder, "a/b"))
    with open(os.path.join(folder, "a/b/c"), "w") as f:
        f.write("x" * 1000)
print(os.path.exists(folder))
with tempfile.SpooledTemporaryFile(max_size=10) as f:
    f.write(b"12345")
    before = f._rolled
    f.write(b"6789012345")
    f.seek(0)
    print(before, f._rolled, f.read())
handle, path = tempfile.mkstemp()
os.write(handle, b"raw")
os.lseek(handle, 1, os.SEEK_SET)
print(os.read(handle, 10))
os.close(handle)
os.remove(path)
names = {tempfile.mktemp() for _ in range(50)}
len(names)
