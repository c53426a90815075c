# Symbolic links: to folders, relative, in chains, through dots, and not followed.
import os
import tempfile

base = os.path.realpath(tempfile.mkdtemp())
os.chdir(base)
os.makedirs("a/b")
with open("a/b/file", "w") as f:
    f.write("content")
os.symlink("a/b", "short")
os.symlink("../b/file", "a/b/self")
os.symlink(base + "/short", "absolute")
os.symlink("absolute/file", "chain")
print(open("short/file").read(), open("a/b/self").read(), open("chain").read(), open("short/../b/file").read())
print(os.path.realpath("chain").removeprefix(base), os.listdir("absolute") == os.listdir("a/b"))
try:
    os.open("chain", os.O_RDONLY | os.O_NOFOLLOW)
except OSError as error:
    print(error.strerror)
os.rename("chain", "renamed")
with open("renamed", "a") as f:
    f.write(" more")
print(open("a/b/file").read(), os.path.islink("renamed"))
os.unlink("short")
print(os.path.exists("absolute"), os.path.isdir("a/b"))
folder = os.open("a", os.O_RDONLY | os.O_DIRECTORY)
fd = os.open("b/file", os.O_RDONLY, dir_fd=folder)
print(os.read(fd, 7), os.stat("b", dir_fd=folder).st_mode == os.stat("a/b").st_mode)
os.mkdir("made", dir_fd=folder)
os.unlink("b/self", dir_fd=folder)
os.fchdir(folder)
[os.getcwd().removeprefix(base), sorted(os.listdir()), sorted(os.listdir(folder))]
