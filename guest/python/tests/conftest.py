"""A guest in a process of its own, and the host's side of its device."""

import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE_FOLDER = Path(__file__).parents[1]
sys.path.insert(0, str(PACKAGE_FOLDER))

from hypercell_guest.codec import decode, encode  # noqa: E402 - by the path above

KINDS = {
    "RunRequest": 0x0001,
    "ToolReply": 0x0002,
    "OutputAck": 0x0003,
    "Warm": 0x0004,
    "Reset": 0x0005,
    "ToolReplies": 0x0006,
    "Reseed": 0x0007,
    "Ready": 0x0101,
    "Output": 0x0102,
    "ToolCall": 0x0103,
    "RunDone": 0x0104,
    "Warmed": 0x0105,
    "ToolWait": 0x0106,
    "Reseeded": 0x0107,
}
NAMES = {number: name for name, number in KINDS.items()}
HEADER = struct.Struct("<IHHII")
MAGIC = 0x4C454348
# The device is opened by taking a copy of a descriptor that no test program closes.
START = """
import os, sys
from hypercell_guest.start import main
device = int(sys.argv[1])
main(lambda: os.dup2(device, 1021, False))
"""


class Guest:
    """One guest process; every frame it sends is checked on the way."""

    def __init__(self):
        self._host, guest = socket.socketpair()
        self._host.settimeout(20)
        number = os.dup2(guest.fileno(), 900)
        guest.close()
        self.process = subprocess.Popen(
            [sys.executable, "-s", "-c", START, str(number)],
            pass_fds=[number],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PYTHONPATH": str(PACKAGE_FOLDER), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        os.close(number)
        self._seq = 0
        self.frames = []
        self.ready = self.receive("Ready")

    def send(self, kind, body, seq=None):
        self._seq = self._seq + 7 if seq is None else seq
        data = body if isinstance(body, bytes) else encode(body)
        self._host.sendall(HEADER.pack(MAGIC, 1, KINDS[kind], len(data), self._seq) + data)

    def receive(self, *expected):
        """Receives one frame and returns its body, and the name of its kind if several are expected."""
        magic, version, kind, length, seq = HEADER.unpack(self._read(HEADER.size))
        assert (magic, version, seq) == (MAGIC, 1, self._seq)
        body = decode(self._read(length))
        self.frames.append((NAMES[kind], body))
        assert NAMES[kind] in expected, (NAMES[kind], body)
        return (NAMES[kind], body) if len(expected) > 1 else body

    def ask(self, kind, body, answer):
        """Sends a request, acknowledges output, and returns the answer."""
        self.send(kind, body)
        while True:
            name, body = self.receive("Output", answer)
            if name == answer:
                return body
            self.send("OutputAck", {})

    def run(self, code, tools=None, **request):
        """Runs code to its end. Returns the body of RunDone, with `out` and `err`, the output, as attributes."""
        tools = tools or {}
        request = {
            "code": code,
            "name": "<code>",
            "inputs": {},
            "tools": [[name, tool.__doc__ or ""] for name, tool in tools.items()],
            "keep": False,
            "seed": bytes(range(32)),
            "max_value": 16 << 20,
            **request,
        }
        self.send("RunRequest", request)
        output = {1: bytearray(), 2: bytearray()}
        while True:
            name, body = self.receive("Output", "ToolCall", "ToolWait", "RunDone")
            if name == "RunDone":
                done = Done(body)
                done.out, done.err = output[1].decode(), output[2].decode()
                return done
            if name == "Output":
                assert set(body) == {"fd", "data"}
                assert 0 < len(body["data"]) <= 65536
                output[body["fd"]] += body["data"]
                self.send("OutputAck", {})
                continue
            if name == "ToolWait":
                assert set(body) == {"calls", "cancel", "timeout"}
                self.send("ToolReplies", {"replies": self.take(tools, body)})
                continue
            self.send("ToolReply", self.reply(tools, body))

    def take(self, tools, wait):
        """Answers a ToolWait: every call at once, in reverse. Tests that want it otherwise replace this."""
        return [self.reply(tools, call) for call in reversed(wait["calls"])]

    def reply(self, tools, call):
        """Runs a tool and returns the body of its ToolReply."""
        assert set(call) == {"id", "name", "args", "line"}
        try:
            return {"id": call["id"], "ok": tools[call["name"]](**call["args"])}
        except Exception as error:
            return {"id": call["id"], "err": {"type": type(error).__name__, "msg": str(error)}}

    def value(self, code, *args, **kwargs):
        """Runs code that must succeed and returns its value."""
        done = self.run(code, *args, **kwargs)
        assert "err" not in done, done["err"]["tb"]
        return done["value"]

    def error(self, code, *args, **kwargs):
        """Runs code that must fail and returns type and message of its error."""
        done = self.run(code, *args, **kwargs)
        assert "err" in done, done
        return done["err"]["type"], done["err"]["msg"]

    def close(self):
        self._host.close()
        self.process.kill()
        self.process.communicate()

    def _read(self, size):
        data = bytearray()
        while len(data) < size:
            part = self._host.recv(size - len(data))
            if not part:
                raise EOFError(self.process.communicate()[1].decode())
            data += part
        return bytes(data)


class Done(dict):
    """The body of a RunDone."""


@pytest.fixture
def guest():
    guest = Guest()
    yield guest
    guest.close()
