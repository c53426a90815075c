"""Frames to and from the host through the device.

Guarantees: strict alternation, one frame out and one frame in, even if submitted code closes the descriptor or runs
in the middle of an exchange (a `__del__` or a signal handler); other threads wait for their turn. Never: looks into a
body, but that of Reseed, which may come in place of any answer.

Before: `bootstrap`, `streams`, `tools`, `in_flight`, `exchange`. After: the kernel's /dev/hypercell.
"""

import os
from _thread import get_ident
from os import read, write
from struct import Struct
from struct import error as struct_error
from time import sleep

from hypercell_guest import private_builtins as __builtins__  # noqa: F401
from hypercell_guest.codec import decode
from hypercell_guest.fresh import reseed_copy

MAGIC = 0x4C454348
ABI_VERSION = 1
RUN_REQUEST, TOOL_REPLY, OUTPUT_ACK, WARM, RESET, TOOL_REPLIES, RESEED = (
    0x0001,
    0x0002,
    0x0003,
    0x0004,
    0x0005,
    0x0006,
    0x0007,
)
READY, OUTPUT, TOOL_CALL, RUN_DONE, WARMED, TOOL_WAIT, RESEEDED = (
    0x0101,
    0x0102,
    0x0103,
    0x0104,
    0x0105,
    0x0106,
    0x0107,
)
HTTP_HEAD, HTTP_BODY, HTTP_ERROR, HTTP_ACK = 0x0020, 0x0021, 0x0022, 0x0023
HTTP_SEND, HTTP_PART, HTTP_READ, HTTP_CLOSE = 0x0120, 0x0121, 0x0122, 0x0123

#: Magic, version, kind, length of the body, and a sequence number, which the kernel fills in.
_HEADER = Struct("<IHHII")
_pack, _unpack, _HEADER_BYTES = _HEADER.pack, _HEADER.unpack_from, _HEADER.size
_NO_KEYS = b"\xa0"
#: Bytes of the first read: with the object's own header it stays within a page, and most frames within one read.
_FIRST_READ_BYTES = 4000
#: Above what programs use, so that their first file gets number 3; below the kernel's RLIMIT_NOFILE of 1024.
_DESCRIPTOR = 1021
_open, _dup2, _close, _exit = os.open, os.dup2, os.close, os._exit


def open_device(path="/dev/hypercell"):
    """Opens the device at `path` and returns a high descriptor for it."""
    low = _open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        high = _dup2(low, _DESCRIPTOR, False)
    except OSError:
        return low
    _close(low)
    return high


def die(reason):
    """Ends the process: the two sides no longer understand each other."""
    write(2, b"hypercell_guest: " + reason.encode("utf-8", "backslashreplace") + b"\n")
    _exit(70)


def _reseed(body):
    """Takes new random numbers, as the body of a Reseed says, in whatever state submitted code is."""
    try:
        reseed_copy(decode(body)["seed"])
    except BaseException as error:
        die(f"no fresh random numbers: {error!r}")


class Turnstile:
    """Lets one thread in at a time. A lock of the interpreter asks the kernel for the time, also where it is free."""

    _owner = None

    def is_mine(self):
        """Returns whether the thread that asks is inside."""
        return self._owner == get_ident()

    def try_enter(self):
        """Goes in if nobody is inside, and returns whether it did."""
        me = get_ident()
        # No other thread comes between the next two lines: the interpreter lets others run at calls and at jumps back.
        if self._owner is None:
            self._owner = me
            return True
        return False

    def enter(self):
        """Goes in once nobody is inside."""
        while not self.try_enter():
            sleep(0)

    def leave(self):
        """Goes out."""
        self._owner = None


class Channel:
    """One exchange at a time with the host."""

    def __init__(self, open_device, seq):
        self._open = open_device
        self._fd = open_device()
        self.seq = seq
        self._turnstile = Turnstile()
        #: Whether the thread that asks is in the middle of an exchange.
        self.is_busy = self._turnstile.is_mine

    def exchange(self, kind, body):
        """Sends a frame and returns kind and body of the host's answer.

        Raises:
            RuntimeError: another exchange is under way.
        """
        if self.is_busy():
            raise RuntimeError("the host is being asked something else, by what this call interrupts")
        self._turnstile.enter()
        try:
            failures = 0
            while True:
                # From write to read only C functions are called: no room for a RecursionError in between.
                try:
                    write(self._fd, _pack(MAGIC, ABI_VERSION, kind, len(body), self.seq) + body)
                    data = read(self._fd, _FIRST_READ_BYTES)
                    magic, version, reply_kind, length, seq = _unpack(data)
                    if magic == MAGIC and version == ABI_VERSION:
                        self.seq = seq
                        if reply_kind != RESEED:
                            break
                        _reseed(data[_HEADER_BYTES:])
                        kind, body = RESEEDED, _NO_KEYS
                        continue
                except (OSError, struct_error) as error:
                    reason = error
                else:
                    reason = "no frame of this ABI version"
                failures += 1
                if failures > 1:
                    die(f"cannot talk to the host: {reason}")
                self._fd = self._open()
            end = _HEADER_BYTES + length
            if len(data) == end:
                return reply_kind, data[_HEADER_BYTES:]
            return reply_kind, self._read_on(data, end)
        finally:
            self._turnstile.leave()

    def _read_on(self, data, end):
        """Reads until the frame that begins with `data` has `end` bytes; returns its body."""
        frame = bytearray(data)
        while len(frame) < end:
            part = read(self._fd, end - len(frame))
            if not part:
                die(f"frame ends after {len(frame)} of {end} bytes")
            frame += part
        return bytes(memoryview(frame)[_HEADER_BYTES:end])
