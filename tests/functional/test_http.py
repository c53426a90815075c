"""HTTP from submitted code: what arrives at the server, and what comes back, through each client."""

import json

import pytest

from http_servers import pattern

CLIENTS = {
    "urllib": """
        import urllib.request
        def fetch(method, url, headers={}, body=None, timeout=20):
            request = urllib.request.Request(url, body, headers, method=method)
            try:
                response = urllib.request.urlopen(request, timeout=timeout)
            except urllib.error.HTTPError as error:
                response = error
            return response.status, dict(response.headers.items()), response.read()
    """,
    "http.client": """
        import http.client, urllib.parse
        def fetch(method, url, headers={}, body=None, timeout=20):
            parts = urllib.parse.urlsplit(url)
            kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
            connection = kind(parts.netloc, timeout=timeout)
            connection.request(method, parts._replace(scheme="", netloc="").geturl(), body, headers)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
    """,
    "hypercell_guest.http": """
        from hypercell_guest import http
        def fetch(method, url, headers={}, body=None, timeout=20):
            response = http.request(method, url, headers=headers, data=body, timeout=timeout)
            return response.status, dict(response.headers.items()), response.body
    """,
}


def program(client, code):
    lines = CLIENTS[client].split("\n")
    return "\n".join(line[8:] for line in lines) + "\n" + code


@pytest.fixture(params=CLIENTS)
def client(request):
    return request.param


@pytest.fixture
def fetching(make_sandbox, http_server, client):
    """Runs code that has `fetch` of one client and `url` of the server; returns the value."""
    box = make_sandbox(domains=[http_server.url])

    def run(code, **inputs):
        result = box.run(program(client, code), inputs={"url": http_server.url, **inputs})
        result.raise_for_error()
        return result.value

    return run


@pytest.mark.gate("HttpSend", aspect="allowed")
def test_get_returns_status_headers_and_body(fetching, http_server):
    status, headers, body = fetching("fetch('GET', url + '/bytes/1000?q=1&q=%20')")
    assert (status, body) == (200, pattern(1000))
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-length"] == "1000"
    assert http_server.asked[0][:2] == ("GET", "/bytes/1000?q=1&q=%20")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_every_method_arrives_with_headers_and_body(fetching, http_server, method):
    code = "fetch(method, url + '/echo', {'X-One': 'a', 'Accept': 'text/x'}, b'body \\x00\\xff')"
    status, _, body = fetching(code, method=method)
    seen = json.loads(body)
    headers = dict(seen["headers"])
    assert (status, seen["method"], seen["body"]) == (200, method, "body \x00\xff")
    assert (headers["x-one"], headers["accept"], headers["content-length"]) == ("a", "text/x", "7")
    assert headers["host"] == f"127.0.0.1:{http_server.port}"
    assert "transfer-encoding" not in headers


def test_head_has_headers_and_no_body(fetching):
    status, headers, body = fetching("fetch('HEAD', url + '/bytes/1000')")
    assert (status, headers["content-length"], body) == (200, "1000", b"")


@pytest.mark.parametrize("status", [201, 204, 304, 400, 404, 418, 500, 599])
def test_every_status_arrives(fetching, status):
    found, _, body = fetching("fetch('GET', f'{url}/status/{status}')", status=status)
    assert (found, body) == (status, b"" if status in (204, 304) else b"status")


@pytest.mark.gate("HttpRead", aspect="allowed")
@pytest.mark.parametrize("size", [0, 1, 131_072, 131_073, 3_000_001])
@pytest.mark.parametrize("kind", ["bytes", "chunked"])
def test_body_of_any_size_comes_whole(fetching, kind, size):
    found = fetching(
        "len(data := fetch('GET', f'{url}/{kind}/{size}')[2]), data[-100:]", kind=kind, size=size
    )
    assert found == (size, pattern(size)[-100:])


@pytest.mark.gate("HttpPart", aspect="allowed")
@pytest.mark.parametrize("size", [1, 131_072, 131_073, 3_000_001])
def test_body_of_any_size_goes_whole(fetching, http_server, size):
    assert fetching("fetch('POST', url + '/bytes/0', body=body)[0]", body=pattern(size)) == 200
    assert http_server.asked[0][3] == pattern(size)


def test_body_that_ends_with_the_connection_comes_whole(fetching):
    assert fetching("fetch('GET', url + '/until-close')[2]") == b"to the end"


def test_many_requests_follow_each_other(fetching, http_server):
    assert fetching("[fetch('GET', f'{url}/bytes/{n}')[2] for n in range(40)]") == [
        pattern(n) for n in range(40)
    ]
    assert len(http_server.asked) == 40


def test_threads_get_their_own_responses(fetching):
    code = """
from concurrent.futures import ThreadPoolExecutor
def size(n):
    status, _, body = fetch("GET", f"{url}/bytes/{n * 50_000}")
    return status, len(body)
with ThreadPoolExecutor(4) as pool:
    sizes = list(pool.map(size, range(1, 9)))
sizes
"""
    assert fetching(code) == [(200, n * 50_000) for n in range(1, 9)]


@pytest.mark.gate("HttpSend", aspect="denied_by_default")
def test_without_domains_every_request_is_denied(make_sandbox, http_server, client):
    result = make_sandbox().run(program(client, "fetch('GET', url)"), inputs={"url": http_server.url + "/x"})
    assert result.error is not None
    assert f"GET {http_server.url}/x is not allowed: this sandbox has no domains" in result.error.message
    assert http_server.asked == []
