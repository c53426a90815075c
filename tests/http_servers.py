"""Servers of HTTP on this machine that behave, and misbehave, as a path says. `TestServer` notes what it was asked.

Paths: `/echo` (what came, as JSON), `/bytes/N`, `/chunked/N`, `/status/N`, `/redirect?to=URL&status=N`, `/loop`,
`/hang` (no answer), `/hang-body` (a head, half a body, and no more), `/drip` (a byte now and then, for ever), `/short`
(fewer bytes than it says), `/long` (more), `/both` (a length and chunks), `/bad-chunk`, `/garbage`, `/close`,
`/big-head`, `/many-headers`, `/endless` (a body without end), `/huge` (a gibibyte), `/gzip`,
`/bomb` (a gibibyte of zeroes, compressed to a mebibyte), `/until-close` (a body that ends with the connection).
"""

import functools
import gzip
import http.server
import json
import ssl
import threading
import time
import urllib.parse
import zlib
from typing import Any

PATTERN = bytes(range(256))


def pattern(size: int) -> bytes:
    """Returns the bytes that `/bytes/N` sends."""
    return (PATTERN * (size // 256 + 1))[:size]


@functools.cache
def bomb() -> bytes:
    """Returns a gibibyte of zeroes, compressed."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(1024)) + packer.flush()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes: the second would wait for the acknowledgement of the first.
    disable_nagle_algorithm = True
    server: "TestServer"

    def handle_any(self) -> None:
        path = urllib.parse.urlsplit(self.path)
        self.body = self.read_body()
        self.server.asked.append((self.command, self.path, dict(self.headers.items()), self.body))
        name, _, self.argument = path.path.strip("/").partition("/")
        self.query = dict(urllib.parse.parse_qsl(path.query))
        getattr(self, "do_" + name.replace("-", "_"), self.do_echo)()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_PROPFIND = handle_any

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            raise AssertionError("the host sends lengths")
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def raw(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()
        self.close_connection = True

    def do_echo(self) -> None:
        headers = [[name.lower(), value] for name, value in self.headers.items()]
        shown = {
            "method": self.command,
            "path": self.path,
            "headers": headers,
            "body": self.body.decode("latin-1"),
        }
        self.answer(json.dumps(shown).encode(), Content_Type="application/json")

    def do_bytes(self) -> None:
        self.answer(pattern(int(self.argument)), Content_Type="application/octet-stream")

    def do_chunked(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        data = pattern(int(self.argument))
        for start in range(0, len(data), 50_000):
            chunk = data[start : start + 50_000]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def do_status(self) -> None:
        self.answer(b"" if self.argument in ("204", "304") else b"status", int(self.argument))

    def do_redirect(self) -> None:
        self.answer(b"moved", int(self.query.get("status", 302)), Location=self.query["to"])

    def do_loop(self) -> None:
        self.answer(b"", 302, Location=f"/loop/{int(self.argument or 0) + 1}")

    def do_hang(self) -> None:
        self.server.stopping.wait(60)

    def do_hang_body(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ")
        self.server.stopping.wait(60)

    def do_drip(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not self.server.stopping.wait(0.05):
            self.wfile.write(b".")

    def do_drip_head(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.server.stopping.wait(0.05):
            self.wfile.write(b".")

    def do_short(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ")

    def do_long(self) -> None:
        self.raw(
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfourHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
        )

    def do_both(self) -> None:
        self.raw(
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        )

    def do_bad_chunk(self) -> None:
        self.raw(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc\r\n0\r\n\r\n"
        )

    def do_cut_chunk(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc")

    def do_garbage(self) -> None:
        self.raw(b"\x00\x01\x02 no HTTP at all\r\n\r\n")

    def do_close(self) -> None:
        self.close_connection = True

    def do_big_head(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\nContent-Length: 0\r\n\r\n")

    def do_many_headers(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 1000 + b"Content-Length: 0\r\n\r\n")

    def do_endless(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\n\r\n")
        while not self.server.stopping.is_set():
            self.wfile.write(bytes(1 << 16))

    def do_huge(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 30))
        self.end_headers()
        for _ in range(1 << 14):
            self.wfile.write(bytes(1 << 16))

    def do_bomb(self) -> None:
        self.answer(bomb(), Content_Encoding="gzip")

    def do_until_close(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\n\r\n" + b"to the end")

    def do_gzip(self) -> None:
        self.answer(gzip.compress(b"zipped " * 100), Content_Encoding="gzip")

    def do_hop(self) -> None:
        self.answer(
            b"", Connection="X-Hop, keep-alive", X_Hop="1", Keep_Alive="1", Proxy_Thing="1", X_End="1"
        )

    def log_message(self, *_: Any) -> None:
        pass


class TestServer(http.server.ThreadingHTTPServer):
    """A server on 127.0.0.1.

    Attributes:
        asked: Method, path, headers and body of each request.
        url: Where it is.
    """

    __test__ = False
    daemon_threads = True
    block_on_close = False
    # Clients that come together would wait a second for a place.
    request_queue_size = 64

    def __init__(self, host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> None:
        super().__init__((host, 0), Handler)
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.stopping = threading.Event()
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server_port
        self.url = f"http{'s' if context is not None else ''}://{host}:{self.port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def handle_error(self, *_: Any) -> None:
        pass

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()

    def wait_for_requests(self, count: int, timeout_s: float = 5) -> None:
        until = time.monotonic() + timeout_s
        while len(self.asked) < count and time.monotonic() < until:
            time.sleep(0.005)
        assert len(self.asked) >= count
