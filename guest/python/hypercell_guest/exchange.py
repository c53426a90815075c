"""One HTTP request and its response, as frames to the host, which makes it if a rule of the sandbox allows it.

Guarantees: no frame is above a limit of the wire; what the host refuses is an OSError that says why. A response that is
dropped without being read is closed with the next request. Never: decides anything; the host does.

Before: `http`, `wire`. After: `channel`.
"""

import errno

from hypercell_guest import private_builtins as __builtins__  # noqa: F401
from hypercell_guest.channel import (
    HTTP_ACK,
    HTTP_BODY,
    HTTP_CLOSE,
    HTTP_ERROR,
    HTTP_HEAD,
    HTTP_PART,
    HTTP_READ,
    HTTP_SEND,
    die,
)
from hypercell_guest.codec import decode, encode

MAX_METHOD_BYTES = 32
MAX_URL_BYTES = 16 << 10
MAX_HEADERS = 128
MAX_HEADER_BYTES = 64 << 10
MAX_PART_BYTES = 128 << 10
_MAX_TIMEOUT_S = 1 << 30


class _Host:
    """The way to the host, and the exchanges that it still has to close."""

    def __init__(self):
        self.channel = self.streams = None
        self.number = 0
        self.dropped = []

    def ask(self, kind, body):
        if self.channel is None:
            raise RuntimeError("no requests can be made here")
        self.streams.send()
        return self.channel.exchange(kind, body)


_host = _Host()


def connect(channel, streams):
    """Says through which channel requests go; what streams hold is sent before them."""
    _host.channel, _host.streams = channel, streams


class Exchange:
    """One request and its response.

    Attributes:
        status: Status code, once `finish` returned.
        url: What answered.
        headers: Pairs of name and bytes.
    """

    status = url = headers = None
    _is_open = False  # also of one that was refused as too long, for __del__

    def __init__(self, method, url, headers, *, redirects=0, timeout=None):
        """Prepares a request; nothing is sent yet.

        Args:
            method: Such as `"GET"`.
            url: An absolute URL.
            headers: Pairs of str and bytes.
            redirects: How many redirects the host follows.
            timeout: Longest wait for the head, in seconds, or None.

        Raises:
            OSError: Something is too long.
        """
        _check("the method", len(method.encode("utf-8", "surrogatepass")), MAX_METHOD_BYTES, "bytes")
        _check("the URL", len(url.encode("utf-8", "surrogatepass")), MAX_URL_BYTES, "bytes")
        _check("the request", len(headers), MAX_HEADERS, "headers")
        _check(
            "the headers", sum(len(name) + len(value) for name, value in headers), MAX_HEADER_BYTES, "bytes"
        )
        self._start = {"method": method, "url": url, "headers": headers, "redirects": redirects}
        self._timeout, self._held = timeout, bytearray()
        _host.number = self._id = _host.number + 1

    def write(self, data):
        """Takes more of the request's body; sends it in parts.

        Raises:
            OSError: The request is not allowed.
        """
        self._held += data
        while len(self._held) > MAX_PART_BYTES:
            part = bytes(self._held[:MAX_PART_BYTES])
            del self._held[:MAX_PART_BYTES]
            self._send(part, more=True)

    def finish(self, timeout=...):
        """Sends the rest of the request and waits for the head of the response.

        Args:
            timeout: In seconds, or None; that given first unless given.

        Raises:
            OSError: There is none; the class says why.
        """
        if timeout is not ...:
            self._timeout = timeout
        head = self._send(bytes(self._held), more=False)
        self.status, self.url, self.headers = head["status"], head["url"], head["headers"]

    def read(self, size=MAX_PART_BYTES, timeout=None):
        """Returns at most `size` bytes of the response's body; none at its end.

        Raises:
            OSError: The rest does not come; the class says why.
        """
        while self._is_open:
            wish = {
                "id": self._id,
                "max": max(1, min(size, MAX_PART_BYTES)),
                "timeout": _nanoseconds(timeout),
            }
            body = self._ask(HTTP_READ, wish, HTTP_BODY)
            self._is_open = not body["end"]
            if body["body"]:
                return body["body"]
        return b""

    def close(self):
        """Wants no more of the response. The host hears of it before the next request."""
        if self._is_open:
            self._is_open = False
            _host.dropped.append(self._id)

    def __del__(self):
        self.close()

    def _send(self, part, more):
        message = {"id": self._id, "body": part, "more": more}
        kind = HTTP_PART
        if self._start is not None:
            _close_dropped()
            kind, start = HTTP_SEND, self._start
            message.update(start, headers=[[name, value] for name, value in start["headers"]])
            message["timeout"] = _nanoseconds(self._timeout)
            self._start = None
        self._is_open = True
        return self._ask(kind, message, HTTP_ACK if more else HTTP_HEAD)

    def _ask(self, kind, message, due):
        kind, body = _host.ask(kind, encode(message, "the request"))
        reply = decode(body)
        if reply["id"] != self._id or kind not in (due, HTTP_ERROR):
            die(f"frame of kind {kind:#06x} is no answer to exchange {self._id}")
        if kind == HTTP_ERROR:
            self._is_open = False
            raise _error(reply["kind"], reply["msg"])
        return reply


def _close_dropped():
    while _host.dropped:
        try:
            number = _host.dropped.pop()
        except IndexError:  # another thread was quicker
            return
        _host.ask(HTTP_CLOSE, encode({"id": number}))


def _check(what, size, maximum, unit):
    if size > maximum:
        raise OSError(errno.EMSGSIZE, f"{what} of {size} {unit} exceeds {maximum}")


def _nanoseconds(timeout_s):
    return None if timeout_s is None else int(min(max(0, timeout_s), _MAX_TIMEOUT_S) * 1e9)


def _error(kind, message):
    """Returns the exception for a word of the host."""
    if kind in ("denied", "request"):
        return PermissionError(errno.EACCES, message)
    if kind == "timeout":
        return TimeoutError(message)
    if kind == "closed":
        return ConnectionResetError(errno.ECONNRESET, message)
    if kind == "dns":
        from socket import EAI_NONAME, gaierror

        return gaierror(EAI_NONAME, message)
    if kind == "tls":
        try:
            import ssl
        except ImportError:
            return ConnectionError(message)
        is_certificate = "certificate" in message
        return (ssl.SSLCertVerificationError if is_certificate else ssl.SSLError)(ssl.SSL_ERROR_SSL, message)
    if kind in ("connect", "protocol"):
        is_refused = "onnection refused" in message
        return ConnectionRefusedError(errno.ECONNREFUSED, message) if is_refused else ConnectionError(message)
    return RuntimeError(message) if kind == "order" else OSError(message)
