# Waiting for files with another mask of signals: what is blocked outside comes through, and is blocked again afterwards.
import ctypes
import errno
import os
import signal
import struct

libc = ctypes.CDLL(None, use_errno=True)
nothing, everything = bytes(128), b"\xff" * 128
second, half = struct.pack("qq", 1, 0), struct.pack("qq", 0, 500_000)
seen = []
signal.signal(signal.SIGUSR1, lambda *_: seen.append("handled"))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
read_end, write_end = os.pipe()
entry = struct.pack("ihh", read_end, 1, 0)
epoll = libc.epoll_create1(0)
watched = struct.pack("=Iq", 1, 7)
libc.epoll_ctl(epoll, 1, read_end, watched)


def wait(function, *arguments):
    """What the call answers, and what was handled meanwhile."""
    seen.clear()
    answer = function(*arguments)
    name = errno.errorcode[ctypes.get_errno()] if answer < 0 else answer
    return name, list(seen), signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def every_wait(mask, time, milliseconds):
    bits = ctypes.create_string_buffer(struct.pack("Q", 1 << read_end) + bytes(120))
    events = ctypes.create_string_buffer(12)
    yield wait(libc.ppoll, ctypes.create_string_buffer(entry, 8), 1, time, mask)
    signal.raise_signal(signal.SIGUSR1)
    yield wait(libc.pselect, read_end + 1, bits, None, None, time, mask)
    signal.raise_signal(signal.SIGUSR1)
    yield wait(libc.epoll_pwait, epoll, events, 1, milliseconds, mask)
    signal.raise_signal(signal.SIGUSR1)


signal.raise_signal(signal.SIGUSR1)
print(list(every_wait(nothing, second, 1000)))
print(list(every_wait(everything, half, 1)), signal.SIGUSR1 in signal.sigpending())
print(list(every_wait(None, half, 1)))
os.write(write_end, b"x")
print(list(every_wait(everything, second, 1000)))
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
[seen, signal.sigpending()]
