"""Frames to and from the host, through `/dev/hypercell`.

A write queues one frame, the read after it leaves the VM and returns the host's answer (docs/abi.md). What submitted
code could replace or close is bound early or opened again: the loop must survive its own programs.

Before: bootstrap, streams, tools. After: the guest kernel's channel.
"""

import os
import struct

from hypercell_guest.codec import decode

DEVICE = "/dev/hypercell"
# Programs that close every descriptor they can think of rarely think of this one.
DEVICE_FD = 1021

RUN_REQUEST = 0x0001
TOOL_REPLY = 0x0002
OUTPUT_ACK = 0x0003
WARM = 0x0004
RESET = 0x0005
READY = 0x0101
OUTPUT = 0x0102
TOOL_CALL = 0x0103
RUN_DONE = 0x0104
WARMED = 0x0105

_MAGIC = 0x4C454348
_VERSION = 1
# Magic, version, kind, length of the body, and the sequence number, which the kernel fills in.
_HEADER = struct.Struct("<IHHII")
_FIRST_READ = 64 * 1024


class Channel:
    """The one connection to the host."""

    def __init__(self, device=DEVICE):
        self._device = device
        self._fd = None
        # Bound here, so that a program that replaces them in `os` does not cut the line.
        self._read = os.read
        self._write = os.write
        self._open()

    def _open(self):
        opened = os.open(self._device, os.O_RDWR)
        self._fd = os.dup2(opened, DEVICE_FD, inheritable=False)
        os.close(opened)

    def exchange(self, kind, body):
        """Sends a frame and returns `(kind, body)` of the host's answer."""
        frame = _HEADER.pack(_MAGIC, _VERSION, kind, len(body), 0) + body
        try:
            self._write(self._fd, frame)
        except OSError:
            # The program closed the descriptor.
            self._open()
            self._write(self._fd, frame)
        answer = self._read(self._fd, _FIRST_READ)
        magic, version, kind, length, _ = _HEADER.unpack_from(answer)
        if magic != _MAGIC or version != _VERSION:
            raise RuntimeError(f"frame of version {version} with magic {magic:#x} is not of this image")
        missing = _HEADER.size + length - len(answer)
        if missing:
            parts = [answer]
            while missing > 0:
                part = self._read(self._fd, missing)
                parts.append(part)
                missing -= len(part)
            answer = b"".join(parts)
        return kind, answer[_HEADER.size :]

    def request(self, kind, body):
        """Sends a frame and returns the decoded body of the host's answer."""
        return decode(self.exchange(kind, body)[1])
