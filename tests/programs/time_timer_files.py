# Timers that are files: read, polled, watched by epoll, set again, counted when missed.
import ctypes
import errno
import os
import select
import struct
import time

libc = ctypes.CDLL(None, use_errno=True)
NONBLOCK, ABSTIME = os.O_NONBLOCK, 1


def timer(clock=time.CLOCK_MONOTONIC, flags=0):
    made = libc.timerfd_create(clock, flags)
    return made if made >= 0 else errno.errorcode[ctypes.get_errno()]


def set_timer(fd, value, interval=0.0, flags=0):
    """Sets a timer, and says what it had before."""
    seconds = struct.pack("qqqq", int(interval), int(interval % 1 * 1e9), int(value), int(value % 1 * 1e9))
    old = ctypes.create_string_buffer(32)
    if libc.timerfd_settime(fd, flags, seconds, old) < 0:
        return errno.errorcode[ctypes.get_errno()]
    return read_setting(old.raw)


def read_setting(text):
    interval, interval_ns, left, left_ns = struct.unpack("qqqq", text)
    return left + left_ns / 1e9, interval + interval_ns / 1e9


def get_timer(fd):
    text = ctypes.create_string_buffer(32)
    libc.timerfd_gettime(fd, text)
    return read_setting(text.raw)


def count(fd):
    try:
        return int.from_bytes(os.read(fd, 8), "little")
    except OSError as error:
        return errno.errorcode[error.errno]


one = timer(flags=NONBLOCK)
print(get_timer(one), count(one), set_timer(one, 50), 0 < get_timer(one)[0] <= 50)
before = time.monotonic()
set_timer(one, 0.05)
print(select.select([one], [], [], 5)[0] == [one], time.monotonic() - before >= 0.05)
print(count(one), count(one), get_timer(one))
os.set_blocking(one, True)
set_timer(one, 0.02, 0.02)
print(count(one) >= 1, get_timer(one)[1] == 0.02)
time.sleep(0.1)
print(count(one) >= 4, select.select([one], [], [], 5)[0] == [one])
print(set_timer(one, 0)[1] == 0.02, select.select([one], [], [], 0.05)[0], get_timer(one)[0])

wall = timer(time.CLOCK_REALTIME)
set_timer(wall, time.time() + 0.05, flags=ABSTIME)
print(count(wall), set_timer(wall, 1.0, flags=ABSTIME), count(wall))
with select.epoll() as epoll:
    epoll.register(one, select.EPOLLIN | select.EPOLLET)
    epoll.register(wall, select.EPOLLIN)
    set_timer(one, 0.02, 0.05)
    set_timer(wall, 0.7)
    names = {one: "one", wall: "wall"}
    print([[names[fd] for fd, _ in epoll.poll(5)] for _ in range(3)])
    print(count(one) >= 3, [names[fd] for fd, _ in epoll.poll(5)])
    set_timer(one, 0)
    print(count(wall), epoll.poll(0.02))
poll = select.poll()
poll.register(one, select.POLLIN)
set_timer(one, 0.03)
print(poll.poll(5000) == [(one, select.POLLIN)], os.readlink(f"/proc/self/fd/{one}"))
errors = [timer(99), timer(flags=5), set_timer(os.pipe()[0], 1), set_timer(one, 1, flags=8)]
for bad in (lambda: os.read(one, 4), lambda: os.write(one, bytes(8))):
    try:
        errors.append(bad())
    except OSError as error:
        errors.append(errno.errorcode[error.errno])
errors
