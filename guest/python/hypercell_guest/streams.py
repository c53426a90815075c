"""sys.stdin, sys.stdout and sys.stderr of submitted code.

What is printed leaves as Output frames: line by line while that is cheap, in larger pieces when there is much of it.
Order holds within a stream. What `os.write(1, ...)` or C code writes goes through the kernel at once, so it can
overtake a line that is still held here; `sys.stdout.flush()` before it keeps the order, as natively.

Before: submitted code. After: `channel`.
"""

import io
import sys
from time import monotonic

from hypercell_guest import private_builtins as __builtins__  # noqa: F401
from hypercell_guest.channel import OUTPUT, OUTPUT_ACK, Turnstile, die

MAX_OUTPUT_CHUNK_BYTES = 64 << 10
_HOLD_BYTES = 8 << 10
_BURST = 64
_TOKENS_PER_S = 1000
#: Writes after a refusal that do not ask the clock, which costs a system call.
_UNASKED = 8


class TokenBucket:
    """Allows a burst of frames at once, and then one in each millisecond."""

    def __init__(self):
        self._left, self._unasked, self._refilled = _BURST, 0, None

    def take(self):
        """Returns whether a frame may leave now."""
        if self._left:
            self._left -= 1
            return True
        if self._unasked:
            self._unasked -= 1
            return False
        now = monotonic()
        if self._refilled is None:
            self._refilled = now
        earned = min(_BURST, int((now - self._refilled) * _TOKENS_PER_S))
        if not earned:
            self._unasked = _UNASKED
            return False
        self._refilled, self._left = now, earned - 1
        return True


class OutputStream(io.BufferedIOBase):
    """Bytes for one descriptor: what `sys.stdout.buffer` is."""

    mode = "wb"

    def __init__(self, channel, bucket, sending, descriptor):
        self.name = f"<{'stdout' if descriptor == 1 else 'stderr'}>"
        self._channel, self._bucket, self._descriptor = channel, bucket, descriptor
        self._held, self._sending = bytearray(), sending

    def write(self, data):
        """Takes bytes; sends them if they end a line, or if there are many."""
        if self.closed:
            raise ValueError("write to closed file")
        # One step: another thread may come between this one and the next.
        self._held += data
        size = len(data) if type(data) is bytes else memoryview(data).nbytes
        held = self._held
        # A token is taken for a whole line, and on stderr for any text.
        if len(held) >= _HOLD_BYTES or (
            (self._descriptor == 2 or held.find(b"\n", -size if size else 0) >= 0) and self._bucket.take()
        ):
            self.send()
        return size

    def send(self):
        """Sends what is held, unless the host is being asked something else: then it leaves with the next write."""
        if not self._held or self._channel.is_busy() or self._sending.is_mine():
            return
        self._sending.enter()
        try:
            # What a finalizer or a trace function prints from here on is held for the next time.
            data, self._held = self._held, bytearray()
            for start in range(0, len(data), MAX_OUTPUT_CHUNK_BYTES):
                chunk = data[start : start + MAX_OUTPUT_CHUNK_BYTES]
                size = len(chunk).to_bytes(4, "big")
                body = b"\xa2\x62fd%c\x64data\x5a%b%b" % (self._descriptor, size, chunk)
                kind, _ = self._channel.exchange(OUTPUT, body)
                if kind != OUTPUT_ACK:
                    die(f"frame of kind {kind:#06x} in answer to Output")
        finally:
            self._sending.leave()

    def flush(self):
        """Sends what is held."""
        if self.closed:
            raise ValueError("flush of closed file")
        self.send()

    def writable(self):
        """Is true, as for the interpreter's own stream."""
        return True

    def fileno(self):
        """Returns 1 or 2."""
        return self._descriptor

    @property
    def raw(self):
        """The stream below the buffer, which is this one."""
        return self


class EmptyInput(io.RawIOBase):
    """Standard input: at its end from the start."""

    name, mode = "<stdin>", "rb"

    def readinto(self, _buffer):
        """Reads nothing."""
        return 0

    def readable(self):
        """Is true, as for the interpreter's own stream."""
        return True

    def fileno(self):
        """Returns 0."""
        return 0


class StandardStreams:
    """The three streams, put in place for each run."""

    def __init__(self, channel):
        self._channel = channel
        self._streams = None

    def install(self):
        """Makes three streams those of `sys`: new ones where the last run closed or replaced any."""
        if self._streams is not None and self._are_in_place():
            return
        bucket, sending = TokenBucket(), Turnstile()
        self._output, self._errors = (
            OutputStream(self._channel, bucket, sending, number) for number in (1, 2)
        )
        # Errors as CPython handles them in the C.UTF-8 locale of the guest. Text is passed on at once, so that `flush`
        # is only ever called by the program.
        stdin = io.TextIOWrapper(io.BufferedReader(EmptyInput()), "utf-8", "surrogateescape")
        stdout = io.TextIOWrapper(self._output, "utf-8", "surrogateescape", "\n", write_through=True)
        stderr = io.TextIOWrapper(self._errors, "utf-8", "backslashreplace", "\n", write_through=True)
        stdin.mode, stdout.mode, stderr.mode = "r", "w", "w"
        self._streams = stdin, stdout, stderr
        sys.stdin = sys.__stdin__ = stdin
        sys.stdout = sys.__stdout__ = stdout
        sys.stderr = sys.__stderr__ = stderr

    def _are_in_place(self):
        # Names that are put together would be new objects, which fill the interpreter's caches.
        stdin, stdout, stderr = self._streams
        try:
            return (
                sys.stdin is sys.__stdin__ is stdin
                and sys.stdout is sys.__stdout__ is stdout
                and sys.stderr is sys.__stderr__ is stderr
                and not (stdin.closed or stdout.closed or stderr.closed)
            )
        except (AttributeError, ValueError):  # one of them was deleted, or detached
            return False

    def send(self):
        """Sends what the two streams hold, before the host is asked something else."""
        self._output.send()
        self._errors.send()

    def finish(self):
        """Flushes at the end of a run, as the interpreter does at its exit, also what the code put in their place."""
        _, stdout, stderr = self._streams
        theirs = (getattr(sys, "stdout", None), getattr(sys, "stderr", None))
        # The last two send what is below a stream that was closed or detached.
        for stream in (*theirs, stdout, stderr, self._output, self._errors):
            try:
                if stream is not None:
                    stream.flush()
            except BaseException:
                pass
