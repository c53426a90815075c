# listdir, scandir, walk, fwalk over a tree with many entries.
import os
import tempfile

os.chdir(tempfile.mkdtemp())
for n in range(3):
    os.makedirs(f"dir{n}/sub")
    for m in range(2):
        open(f"dir{n}/file{m}", "w").close()
os.mkdir("many")
for n in range(500):
    with open(f"many/{n:04}-{'x' * (n % 50)}", "w") as f:
        f.write("y" * (n % 7))
for folder, folders, files in os.walk("."):
    folders.sort()
    if "many" in folders:
        folders.remove("many")
    print(folder, folders, sorted(files))
with os.scandir("many") as entries:
    listed = sorted((e.name[:4], e.stat().st_size, e.is_file(), e.is_dir(), e.is_symlink()) for e in entries)
print(len(listed), listed[:2], listed[-1], len(os.listdir("many")))
print([folder for folder, _, _ in os.walk("dir0", topdown=False)], sum(1 for _ in os.fwalk("many")))
for name in os.listdir("many")[::2]:
    os.unlink(os.path.join("many", name))
errors = []
for bad in ("none", "dir0/file0"):
    try:
        os.listdir(bad)
    except OSError as error:
        errors.append(str(error))
[len(os.listdir("many")), errors, list(os.walk("none"))]
