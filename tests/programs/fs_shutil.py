# shutil: copies of files and trees, moves, archives, disk usage, removal.
import os
import shutil
import tempfile

os.chdir(tempfile.mkdtemp())
os.makedirs("src/sub/deep")
for name, size in (("src/a.txt", 10), ("src/sub/b.bin", 300_000), ("src/sub/deep/c", 0)):
    with open(name, "wb") as f:
        f.write(bytes(i % 251 for i in range(size)))
os.utime("src/a.txt", ns=(1_600_000_000_000_000_000, 1_500_000_000_123_456_000))
os.chmod("src/a.txt", 0o640)
print(shutil.copyfile("src/a.txt", "copy1"), os.path.getsize("copy1"))
print(shutil.copy2("src/a.txt", "copy2"), os.stat("copy2").st_mtime_ns, oct(os.stat("copy2").st_mode))
print(shutil.copy("src/sub/b.bin", "src/sub/deep"), os.listdir("src/sub/deep").__len__())
print(shutil.copytree("src", "dst", ignore=shutil.ignore_patterns("*.txt")))
print(sorted(os.path.join(d, f) for d, _, files in os.walk("dst") for f in files))
with open("src/sub/b.bin", "rb") as one, open("dst/sub/b.bin", "rb") as other:
    print(one.read() == other.read())
print(shutil.move("copy1", "dst/moved"), os.path.exists("copy1"), shutil.move("dst/sub", "sub2"), os.listdir("sub2/deep").__len__())
try:
    shutil.copyfile("src/a.txt", "src/a.txt")
except shutil.SameFileError as error:
    print("same:", error)
try:
    shutil.copytree("src", "dst")
except FileExistsError as error:
    print("exists:", error.filename)
print(sorted(os.path.basename(shutil.make_archive(f"packed{n}", form, "src")) for n, form in enumerate(("zip", "gztar"))))
shutil.unpack_archive("packed0.zip", "unpacked")
print(sorted(os.listdir("unpacked")), os.path.getsize("unpacked/sub/b.bin"))
print(shutil.disk_usage(".").total > 0, shutil.which("python-that-is-none"))
shutil.rmtree("src")
shutil.rmtree("none", ignore_errors=True)
with open("copy2", "rb") as f, open("appended", "ab") as g:
    shutil.copyfileobj(f, g)
[sorted(os.listdir(".")), os.path.getsize("appended")]
