"""`wire`: requests that a library writes in any pieces, and the response that it reads."""

import io
import itertools
import random

import pytest

from hypercell_guest import channel as kinds
from hypercell_guest import exchange
from hypercell_guest.codec import decode, encode
from hypercell_guest.wire import HttpSocket


class Host:
    """Plays the host: notes requests, and answers each with the next response."""

    def __init__(self, *responses):
        self.requests, self.closed, self._responses = [], [], list(responses)
        self._bodies = {}

    def send(self):
        """What standard streams do before a frame."""

    def exchange(self, kind, body):
        frame = decode(body)
        number = frame["id"]
        if kind == kinds.HTTP_SEND:
            self.requests.append(frame)
        elif kind == kinds.HTTP_PART:
            self.requests[-1]["body"] += frame["body"]
        elif kind == kinds.HTTP_CLOSE:
            self.closed.append(number)
            return kinds.HTTP_ACK, encode({"id": number})
        else:
            return self._read(number, frame["max"])
        if frame["more"]:
            return kinds.HTTP_ACK, encode({"id": number})
        response = self._responses.pop(0)
        if isinstance(response, str):
            word, _, text = response.partition(": ")
            return kinds.HTTP_ERROR, encode({"id": number, "kind": word, "msg": text})
        status, headers, parts = response
        self._bodies[number] = list(parts)
        headers = [[name, value] for name, value in headers]
        return kinds.HTTP_HEAD, encode({"id": number, "status": status, "url": "u", "headers": headers})

    def _read(self, number, size):
        parts = self._bodies[number]
        if parts and isinstance(parts[0], str):
            return kinds.HTTP_ERROR, encode({"id": number, "kind": parts[0], "msg": "text"})
        body = parts.pop(0) if parts else b""
        if len(body) > size:
            parts.insert(0, body[size:])
            body = body[:size]
        return kinds.HTTP_BODY, encode({"id": number, "body": body, "end": not parts})


@pytest.fixture
def connect():
    """Returns a function that makes a host and a socket to it."""

    def make(*responses, **options):
        host = Host(*responses)
        exchange.connect(host, host)
        exchange._host.dropped.clear()
        return host, HttpSocket("a.example", 80, is_tls=False, **options)

    yield make
    exchange.connect(None, None)


OK = (200, [("content-length", b"2"), ("x", b"\xff")], [b"ok"])
OK_BYTES = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: \xff\r\n\r\nok"
REQUESTS = [
    (b"GET /a?b HTTP/1.1\r\nHost: x\r\nX:  y \r\n\r\n", "GET", "http://a.example:80/a?b", b""),
    (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab\r\nc", "POST", "http://a.example:80/", b"ab\r\nc"),
    (
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\n\r\nc\r\n0\r\n\r\n",
        "PUT",
        "http://a.example:80/",
        b"ab\r\nc",
    ),
    (
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nTrailer: x\r\n\r\n",
        "PUT",
        "http://a.example:80/",
        b"a",
    ),
    (b"GET http://b.example/c HTTP/1.1\r\n\r\n", "GET", "http://b.example/c", b""),
    (b"GET /?u=http://b HTTP/1.1\r\n\r\n", "GET", "http://a.example:80/?u=http://b", b""),
]


@pytest.mark.parametrize(("data", "method", "url", "body"), REQUESTS)
def test_request_is_read_whole_however_it_is_cut(connect, data, method, url, body):
    cuts = itertools.chain(((at,) for at in range(len(data))), [range(1, len(data))])
    for at in cuts:
        host, socket = connect(OK)
        ends = [0, *at, len(data)]
        for start, end in itertools.pairwise(ends):
            socket.sendall(data[start:end])
        assert socket.makefile("rb").read() == OK_BYTES
        (request,) = host.requests
        assert (request["method"], request["url"], request["body"]) == (method, url, body)


def test_headers_go_as_they_are_written(connect):
    host, socket = connect(OK)
    socket.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Bytes: \xff\r\nX-Bytes: 2\r\n\r\n")
    socket.recv(1)
    assert host.requests[0]["headers"] == [["Host", b"x"], ["X-Bytes", b"\xff"], ["X-Bytes", b"2"]]


def test_long_body_goes_in_parts_within_the_limit(connect):
    sizes = []
    host, socket = connect(OK)
    answer = host.exchange
    host.exchange = lambda kind, body: sizes.append(len(body)) or answer(kind, body)
    data = random.Random(1).randbytes(500_000)
    socket.sendall(b"POST / HTTP/1.1\r\nContent-Length: 500000\r\n\r\n" + data)
    socket.recv(1)
    assert host.requests[0]["body"] == data
    assert max(sizes) < exchange.MAX_PART_BYTES + 1000


def test_requests_follow_each_other_on_one_connection(connect):
    host, socket = connect(OK, OK)
    for _ in range(2):
        assert not socket.is_over
        socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert socket.recv(4096) + socket.recv(4096) == OK_BYTES
    assert len(host.requests) == 2


@pytest.mark.parametrize(
    ("method", "status", "headers"),
    [("HEAD", 200, [("content-length", b"5")]), ("GET", 204, []), ("GET", 304, [("content-length", b"5")])],
)
def test_response_without_a_body_ends_with_its_head(connect, method, status, headers):
    host, socket = connect((status, headers, [b"never"]), OK)
    socket.sendall(method.encode() + b" / HTTP/1.1\r\n\r\n")
    assert socket.makefile("rb").read().endswith(b"\r\n\r\n")
    assert not socket.is_over
    socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
    socket.recv(1)
    assert len(host.closed) == 1


def test_body_of_unknown_length_ends_the_connection(connect):
    _, socket = connect((200, [], [b"a", b"b"]))
    socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert socket.makefile("rb").read() == b"HTTP/1.1 200 OK\r\n\r\nab"
    assert socket.is_over


def test_body_that_is_cut_ends_early_where_its_length_is_known(connect):
    _, socket = connect((200, [("content-length", b"9")], [b"a", "closed"]))
    socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert socket.makefile("rb").read().endswith(b"\r\n\r\na")
    _, socket = connect((200, [], [b"a", "closed"]))
    socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        socket.makefile("rb").read()


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("denied", PermissionError),
        ("request", PermissionError),
        ("timeout", TimeoutError),
        ("dns", OSError),
        ("connect", ConnectionError),
        ("connect: Connection refused", ConnectionRefusedError),
        ("tls", OSError),
        ("closed", ConnectionResetError),
        ("protocol", ConnectionError),
        ("limit", OSError),
        ("order", RuntimeError),
        ("unheard", OSError),
    ],
)
@pytest.mark.parametrize("is_eager", [False, True])
def test_refusal_raises_where_the_library_expects_it(connect, word, error, is_eager):
    _, socket = connect(f"{word}: why", is_eager=is_eager)
    request = b"GET / HTTP/1.1\r\n\r\n"
    if is_eager and error not in (TimeoutError, ConnectionResetError):
        with pytest.raises(error):
            socket.sendall(request)
    else:
        socket.sendall(request)
        with pytest.raises(error):
            socket.recv(1)


def test_head_without_end_is_refused(connect):
    _, socket = connect(OK)
    with pytest.raises(OSError, match="the head of the request exceeds"):
        socket.sendall(b"X: " + b"x" * 100_000)


def test_socket_that_is_closed_takes_nothing_but_may_be_read(connect):
    _, socket = connect(OK)
    socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
    reader = socket.makefile("rb")
    socket.close()
    assert reader.read() == OK_BYTES
    with pytest.raises(OSError, match="closed"):
        socket.sendall(b"GET")
    with pytest.raises(io.UnsupportedOperation):
        socket.makefile("wb")
