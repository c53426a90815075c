# Takes the one socket that it may have, a pair, and connects, binds and passes it on. All must be refused.
EXPECTED = ["EACCES", "EACCES", "EACCES", "EACCES", "EACCES", "EISCONN", "ENOTSUP"]
import array, socket
left, right = socket.socketpair()
address = ctypes.create_string_buffer(b"\x02\0" + host_port.to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8))
unix = ctypes.create_string_buffer(b"\x01\0/var/run/docker.sock\0")
right_of = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))]
[
    syscall(42, left.fileno(), address, 16),
    syscall(42, left.fileno(), unix, 23),
    syscall(49, left.fileno(), address, 16),
    syscall(50, left.fileno(), 1),
    syscall(43, left.fileno(), 0, 0),
    syscall(44, left.fileno(), address, 1, 0, address, 16),
    attempt(left.sendmsg, [b"x"], right_of),
]
