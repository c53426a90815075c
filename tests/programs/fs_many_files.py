# A thousand files made, renamed and removed; many held open at once.
import os
import tempfile

os.chdir(tempfile.mkdtemp())
for n in range(1000):
    with open(f"f{n}", "w") as f:
        f.write(str(n))
for n in range(0, 1000, 2):
    os.rename(f"f{n}", f"g{n}")
print(len(os.listdir()), sum(int(open(name).read()) for name in os.listdir()))
handles = [open(f"g{n}") for n in range(0, 400, 2)]
print(len(handles), [h.read() for h in handles[-3:]], len({h.fileno() for h in handles}))
for handle in handles:
    handle.close()
for name in os.listdir():
    os.remove(name)
for n in range(60):
    os.mkdir("d")
    os.chdir("d")
depth = len(os.getcwd().split("/d")) - 1
[os.listdir(), depth]
