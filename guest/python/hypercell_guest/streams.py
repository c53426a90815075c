"""Standard output and error of a program: text streams that send Output frames.

A line is sent when it is complete, as on a terminal, so that nothing is lost when a program is stopped. A turn costs
tens of microseconds, so a flood is bundled: a token bucket allows 64 sends at once and one more each millisecond.

Before: runner. After: channel.
"""

import io
import os
import sys
import time

from hypercell_guest.channel import OUTPUT
from hypercell_guest.codec import encode

CHUNK_BYTES = 64 * 1024
BUNDLE_BYTES = 8 * 1024
TOKENS = 64
TOKENS_PER_SECOND = 1000


class Output(io.RawIOBase):
    """The bytes below `sys.stdout` (`fd` 1) or `sys.stderr` (`fd` 2)."""

    def __init__(self, channel, fd):
        super().__init__()
        self._channel = channel
        self._fd = fd
        self._head = b"\xa2bfd" + encode(fd) + b"ddata"
        self._pending = bytearray()
        self._tokens = TOKENS
        self._refilled = 0.0
        self._clock = time.monotonic

    def writable(self):
        return True

    def fileno(self):
        return self._fd

    def write(self, data):
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        before = len(self._pending)
        self._pending += data
        added = len(self._pending) - before
        if len(self._pending) >= BUNDLE_BYTES or (self._line_complete(before) and self._take_token()):
            self.flush()
        return added

    def _line_complete(self, start):
        # Standard error is unbuffered, as CPython's own is in effect: every write may be the last.
        return self._fd == 2 or self._pending.find(b"\n", start) >= 0

    def _take_token(self):
        if self._tokens < 1:
            now = self._clock()
            self._tokens = min(TOKENS, (now - self._refilled) * TOKENS_PER_SECOND)
            if self._tokens < 1:
                return False
            self._refilled = now
        self._tokens -= 1
        return True

    def flush(self):
        while self._pending:
            chunk = bytes(self._pending[:CHUNK_BYTES])
            del self._pending[:CHUNK_BYTES]
            self._channel.exchange(OUTPUT, self._head + encode(chunk))


def _text(output, errors, name):
    stream = io.TextIOWrapper(output, encoding="utf-8", errors=errors, newline="\n", write_through=True)
    stream.mode = "w"
    output.name = name
    return stream


class Streams:
    """The standard streams of the programs of one VM."""

    def __init__(self, channel):
        self._outputs = (Output(channel, 1), Output(channel, 2))
        self.stdin = open(os.devnull, encoding="utf-8")
        # As CPython chooses for the C.UTF-8 locale of the guest.
        self.stdout = _text(self._outputs[0], "surrogateescape", "<stdout>")
        self.stderr = _text(self._outputs[1], "backslashreplace", "<stderr>")

    def install(self):
        """Makes these the streams of `sys`, whatever the last program put there."""
        sys.stdin = sys.__stdin__ = self.stdin
        sys.stdout = sys.__stdout__ = self.stdout
        sys.stderr = sys.__stderr__ = self.stderr

    def flush(self):
        """Sends everything written so far, also through a stream that the program put in front."""
        for stream in (sys.stdout, sys.stderr):
            if stream is not self.stdout and stream is not self.stderr:
                try:
                    stream.flush()
                except Exception:  # A program's own object may do anything.
                    pass
        for output in self._outputs:
            output.flush()
