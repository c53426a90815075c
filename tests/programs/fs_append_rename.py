# Append, rename, replace, hard links, and renames over open files.
import os
import tempfile

os.chdir(tempfile.mkdtemp())
with open("log", "a") as one, open("log", "a") as two:
    for n in range(3):
        one.write(f"one {n}\n")
        one.flush()
        two.write(f"two {n}\n")
        two.flush()
print(open("log").read(), end="")
reader = open("log")
os.rename("log", "log.1")
with open("log", "w") as f:
    f.write("fresh")
print(os.listdir() == os.listdir("."), sorted(os.listdir()), reader.readline(), open("log").read())
os.replace("log", "log.1")
print(sorted(os.listdir()), open("log.1").read(), reader.readline())
os.link("log.1", "hard")
print(os.stat("hard").st_nlink, os.path.samefile("hard", "log.1"))
os.unlink("log.1")
print(open("hard").read(), os.stat("hard").st_nlink)
os.makedirs("d/e")
errors = []
for bad in (lambda: os.rename("none", "x"), lambda: os.rename("hard", "d"), lambda: os.rename("d", "hard"), lambda: os.rename("d", "d/e/f"), lambda: os.rmdir("d"), lambda: os.unlink("d"), lambda: os.link("hard", "d/e")):
    try:
        bad()
    except OSError as error:
        errors.append((type(error).__name__, error.strerror))
os.rename("d/e", "e")
errors + [sorted(os.listdir())]
