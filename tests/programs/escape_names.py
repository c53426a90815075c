# Resolves names, by which a few bytes could leave with each query. None may be resolved.
EXPECTED = ["gaierror", "gaierror", "gaierror", "EPERM", "hypercell", "ENOENT"]
import socket
[
    attempt(socket.gethostbyname, "secret.example.org"),
    attempt(socket.getaddrinfo, "secret.example.org", 80),
    attempt(socket.gethostbyname_ex, "localhost.example.org"),
    attempt(socket.gethostbyaddr, "8.8.8.8"),
    socket.gethostname(),
    attempt(open, "/etc/resolv.conf"),
]
