"""A small client of HTTP for submitted code: `from hypercell_guest import http`.

    response = http.get("https://api.github.com/zen")
    response.status, response.headers["content-type"], response.body
    http.post(url, json={"key": 1}).json()
    http.get(url).save("/output/archive.zip")

The host makes the requests, follows redirects and verifies certificates, where a rule of the sandbox allows the URL.
Everything else raises PermissionError, whose text names the rule.

Before: submitted code. After: `exchange`.
"""

from hypercell_guest import private_builtins as __builtins__  # noqa: F401
from hypercell_guest.exchange import MAX_PART_BYTES, Exchange

MAX_REDIRECTS = 20


class StatusError(RuntimeError):
    """What `raise_for_status` raises.

    Attributes:
        response: The response.
    """

    response = None


class Headers:
    """Headers of a response. Names are compared without case; a name that occurs twice has its values joined."""

    def __init__(self, pairs):
        self._pairs = [(name, value.decode("latin-1")) for name, value in pairs]

    def get_all(self, name):
        """Returns all values under a name."""
        return [value for known, value in self._pairs if known.lower() == name.lower()]

    def get(self, name, default=None):
        """Returns the value under a name, or `default`."""
        return ", ".join(self.get_all(name)) if name in self else default

    def items(self):
        """Returns pairs of name and value as they came."""
        return list(self._pairs)

    def __getitem__(self, name):
        if name not in self:
            raise KeyError(name)
        return self.get(name)

    def __contains__(self, name):
        return isinstance(name, str) and any(known.lower() == name.lower() for known, _ in self._pairs)

    def __iter__(self):
        return iter([name for name, _ in self._pairs])

    def __len__(self):
        return len(self._pairs)

    def __repr__(self):
        return f"Headers({self._pairs!r})"


class Response:
    """A response. Its body is read when it is asked for, once.

    Attributes:
        status: Status code.
        headers: `Headers`.
        url: What answered, after redirects.
    """

    def __init__(self, exchange, timeout):
        self._exchange, self._timeout, self._body = exchange, timeout, None
        self.status, self.url, self.headers = exchange.status, exchange.url, Headers(exchange.headers)

    @property
    def ok(self):
        """Whether the status is below 400."""
        return self.status < 400

    @property
    def body(self):
        """The whole body, as bytes."""
        if self._body is None:
            self._body = b"".join(self.iter_bytes())
        return self._body

    @property
    def text(self):
        """The whole body as text, in the charset that the headers name, or UTF-8."""
        _, _, charset = self.headers.get("content-type", "").partition("charset=")
        charset = charset.partition(";")[0].strip(" \"'") or "utf-8"
        try:
            return self.body.decode(charset, "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")

    def json(self):
        """Returns the body, read as JSON."""
        import json

        return json.loads(self.body)

    def iter_bytes(self, size=MAX_PART_BYTES):
        """Yields the body as it comes, in pieces of at most `size` bytes."""
        while data := self._exchange.read(size, self._timeout):
            yield data

    def save(self, path):
        """Writes the body to a file as it comes, and returns its size in bytes."""
        written = 0
        with open(path, "wb") as file:
            for data in self.iter_bytes() if self._body is None else [self._body]:
                written += file.write(data)
        return written

    def raise_for_status(self):
        """Returns the response.

        Raises:
            StatusError: The status is 400 or above.
        """
        if self.ok:
            return self
        error = StatusError(f"{self.url} answered with status {self.status}")
        error.response = self
        raise error

    def close(self):
        """Wants no more of the body."""
        self._exchange.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        return f"<Response {self.status} {self.url}>"


def request(
    method, url, *, headers=None, params=None, data=None, json=None, timeout=None, redirects=MAX_REDIRECTS
):
    """Makes a request and returns the response, whatever its status.

    Args:
        method: Such as `"GET"`.
        url: An absolute URL.
        headers: A mapping, or pairs, of names to str or bytes.
        params: A mapping, or pairs, added to the URL as a query.
        data: The body: bytes, str, a binary file, or anything that yields bytes.
        json: A value to send as JSON instead.
        timeout: Longest wait for the head and for each part of the body, in seconds.
        redirects: How many redirects to follow; at 0 the redirecting response is returned.

    Raises:
        PermissionError: No rule allows it.
        OSError: There is no response: TimeoutError, ConnectionError, socket.gaierror, ssl.SSLError.
    """
    pairs = [
        (name, value if isinstance(value, bytes) else str(value).encode("latin-1"))
        for name, value in (headers.items() if hasattr(headers, "items") else headers or ())
    ]
    names = [name.lower() for name, _ in pairs]
    if json is not None:
        import json as encoder

        data = encoder.dumps(json).encode()
        if "content-type" not in names:
            pairs.append(("content-type", b"application/json"))
    if params:
        from urllib.parse import urlencode

        url, separator, fragment = url.partition("#")
        url += ("&" if "?" in url else "?") + urlencode(params, doseq=True) + separator + fragment
    if "user-agent" not in names:
        pairs.append(("user-agent", b"hypercell"))
    if "accept" not in names:
        pairs.append(("accept", b"*/*"))
    exchange = Exchange(method.upper(), url, pairs, redirects=redirects, timeout=timeout)
    for part in _parts(data):
        exchange.write(part)
    exchange.finish()
    return Response(exchange, timeout)


def _parts(data):
    if data is None:
        return ()
    if isinstance(data, str):
        return (data.encode(),)
    if isinstance(data, (bytes, bytearray, memoryview)):
        return (data,)
    if hasattr(data, "read"):
        return iter(lambda: data.read(MAX_PART_BYTES), b"")
    return data


def _of(method):
    def function(url, **options):
        return request(method, url, **options)

    function.__name__ = function.__qualname__ = method.lower()
    function.__doc__ = f"Makes a {method} request; takes what `request` takes."
    return function


get, head, post, put, patch, delete, options = map(
    _of, ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
)
