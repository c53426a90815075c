"""A socket that speaks HTTP/1.1 with a client library, and hands what it says to the host.

Libraries write requests to sockets and read responses from them; here the request is read again, made by the host, and
the response written again. So urllib, http.client, requests and httpx work as they are, with all that they add.

Guarantees: the host gets method, URL, headers and body as the library meant them. Never: opens a socket, and never
encrypts: TLS is the host's, which verifies certificates always.

Before: `libraries`, which gives it to them. After: `exchange`.
"""

import io

from hypercell_guest import private_builtins as __builtins__  # noqa: F401
from hypercell_guest.exchange import MAX_HEADER_BYTES, MAX_URL_BYTES, Exchange

_MAX_HEAD_BYTES = MAX_HEADER_BYTES + MAX_URL_BYTES + 4096
_BODILESS = (204, 304)


class HttpSocket:
    """What a library takes for a connected socket."""

    def __init__(self, host, port, *, is_tls, timeout=None, is_eager=False):
        """Connects to nothing: the host does, for each request.

        Args:
            host: Where the library wants to go.
            port: Its port.
            is_tls: Whether requests go by https.
            timeout: As for sockets, in seconds.
            is_eager: Whether the end of a request waits for the response's head, so that `sendall` raises what a
                connection would; else the first read does.
        """
        name = f"[{host}]" if ":" in host and not host.startswith("[") else host
        self._authority, self.is_tls = f"{name}:{port}", is_tls
        self._peer, self._timeout, self._is_eager = (host, port), timeout, is_eager
        self._request, self._reader = _Request(self), None
        self.is_closed = False

    @property
    def base(self):
        """The URL of the peer, without a path."""
        return ("https://" if self.is_tls else "http://") + self._authority

    @property
    def is_over(self):
        """Whether the last response ended the connection, or left something unread."""
        return self.is_closed or (self._reader is not None and not self._reader.is_done)

    def sendall(self, data, flags=0):
        """Takes a part of a request."""
        if self.is_closed:
            raise OSError(9, "the connection is closed")
        exchange = self._request.feed(memoryview(data).cast("B"))
        if exchange is not None:
            self._reader = _Response(self, exchange, self._request.method)
            self._request = _Request(self)
            if self._is_eager:
                self._reader.start_early()

    def send(self, data, flags=0):
        """Takes a part of a request; returns how many bytes that were, which is all."""
        self.sendall(data)
        return len(data)

    def makefile(self, mode="r", buffering=None, **_):
        """Returns a reader of the response."""
        if "w" in mode:
            raise io.UnsupportedOperation("writing goes by sendall")
        reader = self._reader if self._reader is not None else _Response(self, None, "")
        return io.BufferedReader(reader)

    def recv(self, size, flags=0):
        """Returns at most so many bytes of the response; none at its end."""
        buffer = bytearray(size)
        return bytes(buffer[: self.recv_into(buffer)])

    def recv_into(self, buffer, nbytes=0, flags=0):
        """Puts bytes of the response into a buffer and returns how many."""
        if self._reader is None:
            return 0
        return self._reader.readinto(memoryview(buffer)[: nbytes or len(buffer)])

    def settimeout(self, timeout):
        """Sets how long a read waits, in seconds; None is for ever, up to the sandbox's limits."""
        self._timeout = timeout

    def gettimeout(self):
        """Returns how long a read waits."""
        return self._timeout

    def setblocking(self, flag):
        """Blocks always."""

    def setsockopt(self, *_):
        """Has no options."""

    def getsockopt(self, *_):
        """Has no options."""
        return 0

    def getpeername(self):
        """Returns where the library wanted to go."""
        return self._peer

    def getsockname(self):
        """Returns an address of nobody."""
        return ("0.0.0.0", 0)  # noqa: S104 - bound to nothing

    def fileno(self):
        """Has no descriptor."""
        return -1

    def shutdown(self, how):
        """Does nothing: a request ends where HTTP says."""

    def close(self):
        """Takes no more requests. A response that is being read stays readable, as with sockets."""
        self.is_closed = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _Request:
    """Reads one request of HTTP/1.1 from bytes."""

    method = ""

    def __init__(self, socket):
        self._socket, self._held, self._exchange = socket, bytearray(), None
        # Of the body: bytes still to come, or None for chunks.
        self._left = 0

    def feed(self, data):
        """Takes bytes; returns the exchange once the request is complete."""
        self._held += data
        if self._exchange is None:
            # Most requests come in one piece; their first line may follow an empty one.
            end = self._held.find(b"\r\n\r\n")
            if end < 0:
                if len(self._held) > _MAX_HEAD_BYTES:
                    raise OSError(90, f"the head of the request exceeds {_MAX_HEAD_BYTES} bytes")
                return None
            self._start(bytes(self._held[:end]))
            del self._held[: end + 4]
        is_complete = self._take_chunks() if self._left is None else self._take_bytes()
        return self._exchange if is_complete else None

    def _start(self, head):
        first, *lines = head.lstrip(b"\r\n").split(b"\r\n")
        method, _, rest = first.decode("latin-1").partition(" ")
        target = rest.rpartition(" ")[0]
        headers = []
        for line in lines:
            name, _, value = line.partition(b":")
            name = name.decode("latin-1")
            value = value.strip(b" \t")
            headers.append((name, value))
            if name.lower() == "transfer-encoding" and b"chunked" in value.lower():
                self._left = None
            elif name.lower() == "content-length" and self._left is not None:
                self._left = int(value)
        if "://" not in target.partition("?")[0]:
            target = self._socket.base + (target if target.startswith("/") else "/" + target)
        self.method = method
        self._exchange = Exchange(method, target, headers, timeout=self._socket.gettimeout())

    def _take_bytes(self):
        taken = self._held[: self._left]
        del self._held[: self._left]
        self._left -= len(taken)
        self._exchange.write(taken)
        return not self._left

    def _take_chunks(self):
        while True:
            line, separator, _ = self._held.partition(b"\r\n")
            if not separator:
                return False
            size = int(line.partition(b";")[0], 16)
            start = len(line) + 2
            if size == 0:
                # Trailers, if any, and an empty line.
                end = self._held.find(b"\r\n\r\n", start - 2)
                if end < 0:
                    return False
                del self._held[: end + 4]
                return True
            if len(self._held) < start + size + 2:
                return False
            self._exchange.write(self._held[start : start + size])
            del self._held[: start + size + 2]


class _Response(io.RawIOBase):
    """Writes one response of HTTP/1.1 as bytes."""

    def __init__(self, socket, exchange, method):
        self._socket, self._exchange, self._method = socket, exchange, method
        self._head = self._left = self._late = None
        # Whether the response is at an end from which another request may go on.
        self.is_done = exchange is None

    def start_early(self):
        """Waits for the head. What a server does after it took the request is raised by the first read."""
        try:
            self.start()
        except (TimeoutError, ConnectionResetError) as error:
            self._late = error

    def start(self):
        """Waits for the head."""
        exchange = self._exchange
        if self._late is not None:
            raise self._late
        if self._head is not None or exchange is None:
            return
        exchange.finish(self._socket.gettimeout())
        lines = [b"HTTP/1.1 %d %s" % (exchange.status, _reason(exchange.status))]
        length = None
        for name, value in exchange.headers:
            lines.append(b"%b: %b" % (name.encode("latin-1"), value))
            if name == "content-length" and value.isdigit():
                length = int(value)
        self._head = bytearray(b"\r\n".join([*lines, b"", b""]))
        self._left = 0 if self._method == "HEAD" or exchange.status in _BODILESS else length
        if self._left == 0:
            exchange.close()

    def readable(self):
        """Is true."""
        return True

    def readinto(self, buffer):
        """Puts bytes of head or body into a buffer and returns how many."""
        if self._exchange is None:
            return 0
        self.start()
        if self._head:
            data = self._head[: len(buffer)]
            del self._head[: len(buffer)]
            self.is_done = not self._head and self._left == 0
        elif self._left == 0:
            return 0
        else:
            data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _read(self, size):
        if self._left is not None:
            size = min(size, self._left)
        try:
            data = self._exchange.read(size, self._socket.gettimeout())
        except ConnectionResetError:
            # The library knows what is missing.
            if self._left is None:
                raise
            data = b""
        if self._left is not None:
            self._left -= len(data)
            self.is_done = self._left == 0
            if self.is_done:
                self._exchange.close()
        return data

    def readall(self):
        """Returns everything that is left."""
        parts = []
        while True:
            buffer = bytearray(128 << 10)
            size = self.readinto(buffer)
            if not size:
                return b"".join(parts)
            parts.append(bytes(memoryview(buffer)[:size]))

    def close(self):
        """Wants no more."""
        if self._exchange is not None and not self.closed:
            self._exchange.close()
        super().close()


def _reason(status):
    try:
        from http import HTTPStatus

        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""
