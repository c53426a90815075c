# Pipes with a name: made, opened from both sides, waited for, read to their end; and files by mknod.
import errno
import os
import select
import stat
import tempfile
import threading
import time

os.chdir(tempfile.mkdtemp())


def failing(action, *arguments, **options):
    """The name of the error by which a call fails."""
    try:
        return action(*arguments, **options)
    except OSError as error:
        return errno.errorcode[error.errno]


os.mkfifo("pipe", 0o640)
info = os.stat("pipe")
print(stat.filemode(info.st_mode), info.st_size, os.listdir("."), os.path.isfile("pipe"))
print(failing(os.mkfifo, "pipe"), failing(os.mkfifo, "none/pipe"), failing(os.mkfifo, "pipe/"))
print(failing(os.open, "pipe", os.O_WRONLY | os.O_NONBLOCK), failing(os.truncate, "pipe", 0))


def write(delay, *parts):
    time.sleep(delay)
    with open("pipe", "wb", buffering=0) as file:
        for part in parts:
            file.write(part)


writer = threading.Thread(target=write, args=(0.02, b"first ", b"second"))
writer.start()
with open("pipe", "rb") as file:
    print(file.read())
writer.join()
reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
print(os.read(reader, 10), select.select([reader], [], [], 0)[0] == [reader])
end = os.open("pipe", os.O_WRONLY | os.O_NONBLOCK)
print(failing(os.read, reader, 10), os.write(end, b"x" * 10), os.read(reader, 4), failing(os.lseek, end, 0, 0))
os.rename("pipe", "renamed")
print(stat.S_ISFIFO(os.fstat(end).st_mode), os.path.samestat(os.fstat(end), os.stat("renamed")))
os.close(end)
print(os.read(reader, 100), os.read(reader, 100))
os.close(reader)
both = os.open("renamed", os.O_RDWR)
print(os.write(both, b"to itself"), os.read(both, 100), select.select([both], [both], [], 0) == ([], [both], []))
os.write(both, b"left behind")
os.close(both)
reader = os.open("renamed", os.O_RDONLY | os.O_NONBLOCK)
print(os.read(reader, 100))
os.unlink("renamed")
os.close(reader)

os.mknod("file", 0o600 | stat.S_IFREG)
os.mknod("plain", 0o644)
print(os.stat("file").st_size, stat.filemode(os.stat("plain").st_mode), failing(os.mknod, "file"))
here = os.open(".", os.O_RDONLY)
os.mkfifo("there", dir_fd=here)
sorted(os.listdir(here))
