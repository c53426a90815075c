"""A sandbox with the default policy tries everything on the list of what submitted code may not do.

The list is the README's "What submitted code may do by default", turned around: what is not named there fails.
Evidence: each case is tried by code in a real micro-VM, and the sandbox works afterwards.
"""

import contextlib
import socket
import threading

import pytest

import hypercell

DENIED = {
    "read a file of the host": "open('/etc/shadow').read()",
    "list a home folder of the host": "__import__('os').listdir('/root')",
    "read the memory of another process": "open('/proc/2/mem', 'rb').read(1)",
    "open a disk": "open('/dev/sda', 'rb')",
    "open physical memory": "open('/dev/mem', 'rb')",
    "open the hypervisor": "open('/dev/kvm', 'r+b')",
    "open a terminal": "open('/dev/tty')",
    "write into the image": "open('/python/new', 'w')",
    "write into the root": "open('/new', 'w')",
    "write into the guest's own package": "open('/guest/hypercell_guest/__init__.py', 'a')",
    "leave /tmp by dots": "open('/tmp/../../../../etc/shadow').read()",
    "leave /tmp by a link": "(__import__('os').symlink('/root', '/tmp/out'), __import__('os').listdir('/tmp/out'))",
    "make a device node": "__import__('os').mknod('/tmp/disk', 0o060600, __import__('os').makedev(8, 0))",
    "mount": "attempt_syscall(165, 0, 0, 0, 0)",
    "change the root": "__import__('os').chroot('/tmp')",
    "open a TCP connection": "__import__('socket').create_connection(('127.0.0.1', port), timeout=1)",
    "send a datagram": "__import__('socket').socket(2, 2).sendto(b'x', ('127.0.0.1', port))",
    "look up a name": "__import__('socket').gethostbyname('example.org')",
    "open a vsock": "__import__('socket').socket(40, 1)",
    "open a raw socket": "__import__('socket').socket(2, 3, 1)",
    "fetch a page": "__import__('urllib.request').request.urlopen(f'http://127.0.0.1:{port}/')",
    "start a process": "__import__('subprocess').run(['/bin/sh', '-c', 'true'])",
    "fork": "__import__('os').fork()",
    "start a process that shares memory": "attempt_syscall(56, 0x4111, 0, 0, 0, 0)",
    "trace a process": "attempt_syscall(101, 16, 1, 0, 0)",
    "signal another process": "__import__('os').kill(2, 9)",
    "load a kernel module": "attempt_syscall(175, 0, 0, 0, 0)",
    "use io_uring": "attempt_syscall(425, 1, 0, 0, 0)",
    "use bpf": "attempt_syscall(321, 0, 0, 0, 0)",
    "set the clock": "__import__('time').clock_settime(0, 0)",
    "call a tool": "call_tool('anything')",
    "call a tool with an empty name": "call_tool('')",
    "call a tool by the name of a builtin": "call_tool('open', file='/etc/shadow')",
}
PRELUDE = """
import ctypes, os
def attempt_syscall(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *arguments) == -1:
        raise OSError(ctypes.get_errno(), "refused")
"""


ATTEMPT = """
try:
    {}
    outcome = "allowed"
except Exception as error:
    outcome = "denied"
outcome
"""


@pytest.mark.gate("ToolCall", aspect="denied_by_default")
@pytest.mark.parametrize("what", DENIED)
def test_default_sandbox_may_not(sandbox, listener, what):
    code = PRELUDE + ATTEMPT.format(DENIED[what])
    result = sandbox.run(code, inputs={"port": listener.port})
    assert (result.value, result.error) == ("denied", None)
    assert listener.connections == 0
    assert sandbox.run("1").value == 1


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("endless work", "while True: pass"),
        ("endless output", "while True: print('x' * 10_000)"),
        ("endless memory", "data = [0]\nwhile True: data = data * 2"),
        (
            "endless files",
            "n = 0\nwhile True:\n    open(f'/tmp/{n}', 'wb').write(bytes(1 << 20))\n    n += 1",
        ),
        ("an endless value", "[None] * 5_000_000"),
        ("a huge value", "bytes(100 << 20)"),
    ],
)
@pytest.mark.timeout(200)
def test_default_sandbox_ends(sandbox, what, code):
    with contextlib.suppress(hypercell.LimitError):
        assert sandbox.run(code).error is not None, what
    assert sandbox.run("1").value == 1


def test_default_limits_are_all_on():
    limits = hypercell.Limits()
    values = {name: getattr(limits, name) for name in limits.__dataclass_fields__}
    # The wall time bounds it.
    assert values.pop("guest_time_s") is None
    assert None not in values.values()
    assert all(0 < value < float("inf") for value in values.values())


# The pattern is written so that it does not match its own text.
SCAN = """
import ctypes, re
pattern, found = re.compile(rb"m[a]rker-(?:q7){40}"), 0
for line in open("/proc/self/maps"):
    low, high = (int(part, 16) for part in line.split()[0].split("-"))
    if line.split()[1].startswith("rw"):
        found += len(pattern.findall(ctypes.string_at(low, high - low)))
found
"""


def test_nothing_of_one_run_is_in_the_memory_of_the_next(sandbox):
    marker = "marker-" + "q7" * 40
    keep = "kept = [marker + str(n) for n in range(1000)]\nopen('/tmp/kept', 'w').write(''.join(kept))\n"
    assert sandbox.run(keep + SCAN, inputs={"marker": marker}).value >= 1000
    assert sandbox.run(SCAN).value == 0


class Listener:
    """A server of the host that counts who reaches it."""

    def __init__(self):
        self.connections = 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(0.1)
        self.port = self.server.getsockname()[1]
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self):
        while not self.stopped.is_set():
            try:
                connection, _ = self.server.accept()
            except TimeoutError:
                continue
            self.connections += 1
            connection.close()

    def close(self):
        self.stopped.set()
        self.thread.join()
        self.server.close()


@pytest.fixture(scope="module")
def listener():
    server = Listener()
    yield server
    server.close()
