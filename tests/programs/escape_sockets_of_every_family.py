# Makes sockets of every family and kind. All must be refused, but for pairs in the program itself.
EXPECTED = [{"EACCES"}, b"x", "EAFNOSUPPORT"]
import socket
kinds = {syscall(41, family, kind, 0) for family in range(46) for kind in (1, 2, 3, 5, 10)}
left, right = socket.socketpair()
left.send(b"x")
[kinds, right.recv(1), attempt(socket.socketpair, socket.AF_INET)]
