# fcntl, resource, select and termios: the POSIX modules at rest.
import errno
import fcntl
import os
import select
import tempfile

with tempfile.TemporaryFile() as f:
    fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.lockf(f, fcntl.LOCK_UN)
    fcntl.flock(f, fcntl.LOCK_SH)
    flags = fcntl.fcntl(f, fcntl.F_GETFL)
    print(flags & os.O_ACCMODE == os.O_RDWR, fcntl.fcntl(f, fcntl.F_GETFD) & fcntl.FD_CLOEXEC)
read_end, write_end = os.pipe()
print(select.select([read_end], [write_end], [], 0) == ([], [write_end], []))
os.write(write_end, b"x")
print(select.select([read_end], [], [], 0) == ([read_end], [], []))
poll = select.poll()
poll.register(read_end, select.POLLIN)
print([event for _, event in poll.poll(0)] == [select.POLLIN])
with select.epoll() as epoll:
    epoll.register(read_end, select.EPOLLIN)
    print([event for _, event in epoll.poll(0)] == [select.EPOLLIN])
os.set_blocking(read_end, False)
os.read(read_end, 10)
try:
    os.read(read_end, 10)
except BlockingIOError as error:
    print(errno.errorcode[error.errno])
print(select.select([read_end], [], [], 0.01))
os.close(write_end)
[os.read(read_end, 10), os.close(read_end)]
