# stat: sizes, modes, times, links, and what utime and chmod change.
import os
import stat
import tempfile
import time

os.chdir(tempfile.mkdtemp())
with open("f", "w") as f:
    f.write("12345")
os.symlink("f", "link")
os.symlink("nowhere", "dangling")
info = os.stat("f")
print(info.st_size, stat.filemode(info.st_mode), info.st_nlink, stat.S_ISLNK(os.lstat("link").st_mode), os.stat("link").st_ino == info.st_ino)
print(os.readlink("link"), os.path.exists("dangling"), os.path.lexists("dangling"), os.path.realpath("link") == os.path.realpath("f"))
os.chmod("f", 0o4751)
os.utime("f", ns=(1_000_000_000_123_456_789, 1_500_000_000_987_654_321))
info = os.stat("f")
print(oct(info.st_mode), info.st_mtime_ns, info.st_atime_ns, abs(info.st_ctime - time.time()) < 60)
with open("f", "a") as f:
    f.write("6")
print(os.stat("f").st_mtime_ns > info.st_mtime_ns, os.stat("f").st_size)
with open("f") as f:
    print(os.fstat(f.fileno()).st_ino == info.st_ino, os.stat(f.fileno()).st_size)
os.truncate("f", 2)
folder = os.stat(".")
print(stat.S_ISDIR(folder.st_mode), os.path.ismount("/"), os.path.getsize("f"), os.path.isfile("link"), os.path.isdir("link"))
fs = os.statvfs(".")
print(fs.f_bsize > 0, fs.f_namemax)
errors = []
for bad in (lambda: os.stat("none"), lambda: os.readlink("f"), lambda: os.symlink("x", "f"), lambda: os.stat("dangling"), lambda: os.chdir("f")):
    try:
        bad()
    except OSError as error:
        errors.append((type(error).__name__, error.errno))
os.symlink("loop", "loop")
try:
    open("loop")
except OSError as error:
    errors.append(error.strerror)
errors
