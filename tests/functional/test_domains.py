"""`domains`: what rules allow, what the host adds, redirects, TLS, and what is refused with which words."""

import json
import os
import socket
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hypercell
from http_servers import TestServer
from hypercell import Domain

GET = """
from hypercell_guest import http
def get(url, **options):
    response = http.get(url, **options)
    return response.status, response.url, response.body
"""
WHY = """
import urllib.request
try:
    urllib.request.urlopen(url, timeout=20).read()
    why = "allowed"
except OSError as error:
    error = getattr(error, "reason", error)
    why = type(error).__name__, error.args[-1]
why
"""


@pytest.fixture
def why(make_sandbox):
    """Returns what submitted code sees when it asks for a URL: type and text of the exception, or "allowed"."""

    def ask(url, *domains):
        result = make_sandbox(domains=domains).run(WHY, inputs={"url": url})
        result.raise_for_error()
        return result.value

    return ask


@pytest.mark.gate("HttpSend", aspect="denied_by_rule")
def test_what_no_rule_allows_is_denied_with_the_rule_that_comes_nearest(why, http_server):
    url, port = http_server.url, http_server.port
    assert why(url + "/a/b", url + "/a") == "allowed"
    for asked, rule, reason in [
        (f"http://localhost:{port}/", url, f"no rule allows the host localhost; there are {url}"),
        (url + "/", "127.0.0.1:1", 'the rule "127.0.0.1:1" allows https only'),
        (url + "/", "http://127.0.0.1:1", 'the rule "http://127.0.0.1:1" allows port 1 only'),
        (url + "/b", url + "/a", f'the rule "{url}/a" does not allow this path'),
        (url + "/ab", url + "/a", f'the rule "{url}/a" does not allow this path'),
        (url + "/b", (url, "POST"), f'the rule "{url}" allows the methods POST only'),
    ]:
        assert why(asked, rule) == ("PermissionError", f"GET {asked} is not allowed: {reason}")
    assert [path for _, path, _, _ in http_server.asked] == ["/a/b"]


def test_methods_are_one_or_several(make_sandbox, http_server):
    code = GET + "[http.request(method, url).status for method in methods]"
    for methods, allowed in [("GET", ["GET"]), (["GET", "PUT"], ["GET", "PUT"]), (None, ["DELETE", "PATCH"])]:
        domain = Domain(http_server.url, methods)
        result = make_sandbox(domains=[domain]).run(code, inputs={"url": http_server.url, "methods": allowed})
        assert result.value == [200] * len(allowed)
    denied = make_sandbox(domains=[(http_server.url, ["GET", "PUT"])]).run(
        code, inputs={"url": http_server.url, "methods": ["POST"]}
    )
    assert denied.error.type == "PermissionError"


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "TRACK"])
def test_method_that_tunnels_or_echoes_is_never_allowed(make_sandbox, http_server, method):
    result = make_sandbox(domains=[http_server.url]).run(
        f"from hypercell_guest import http\nhttp.request({method!r}, url)", inputs={"url": http_server.url}
    )
    assert result.error.message == f'[Errno 13] the method "{method}" cannot be used here'
    assert http_server.asked == []


def test_localhost_is_this_machine_when_it_is_named(make_sandbox, http_server):
    url = f"http://localhost:{http_server.port}"
    result = make_sandbox(domains=[url]).run(GET + "get(url + '/bytes/1')", inputs={"url": url})
    assert result.value == (200, url + "/bytes/1", b"\x00")


def test_name_of_this_machine_is_private_unless_the_rule_allows_it(why):
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        pytest.skip("this machine's name has no address")
    if name in ("localhost", ""):
        pytest.skip("this machine has no name of its own")
    server = TestServer(address)
    url = f"http://{name}:{server.port}"
    try:
        kind, text = why(url, url)
        assert kind == "PermissionError"
        assert text.startswith(f"{name.lower()} leads to a")
        assert address not in text
        assert text.endswith(f', which the rule "{url}" does not allow')
        assert server.asked == []
        assert why(url, Domain(url, allow_private=True)) == "allowed"
    finally:
        server.stop()


def test_host_sets_headers_that_the_guest_never_sees(make_sandbox, http_server):
    events = []
    domain = Domain(http_server.url, headers={"Authorization": "Bearer s3cret", "X-Key": "k3y"})
    box = make_sandbox(domains=[domain], on_audit=events.append)
    code = (
        "import urllib.request\n"
        "request = urllib.request.Request(url, headers={'Authorization': 'Bearer mine', 'x-key': 'mine'})\n"
        "response = urllib.request.urlopen(request)\n"
        "response.read()\n"
        "repr((vars(response), response.headers.items()))"
    )
    result = box.run(code, inputs={"url": http_server.url + "/bytes/1"})
    result.raise_for_error()
    headers = {name.lower(): value for name, value in http_server.asked[0][2].items()}
    assert (headers["authorization"], headers["x-key"]) == ("Bearer s3cret", "k3y")
    for shown in (result.value, repr(events), repr(domain), str(domain), repr(box), repr(result)):
        assert "s3cret" not in shown
        assert "k3y" not in shown
    assert "headers={'Authorization': '***', 'X-Key': '***'}" in repr(domain)


def test_redirect_is_followed_where_a_rule_allows_it(make_sandbox, http_server):
    url = http_server.url
    box = make_sandbox(domains=[url])
    result = box.run(GET + "get(f'{url}/redirect?to={url}/bytes/3')", inputs={"url": url})
    assert result.value == (200, url + "/bytes/3", b"\x00\x01\x02")
    assert result.usage.http_requests == 2
    result = box.run(WHY, inputs={"url": f"{url}/redirect?to=/bytes/3"})
    assert result.value == "allowed"
    result = box.run(GET + "get(url, redirects=0)", inputs={"url": f"{url}/redirect?to=/bytes/3"})
    assert result.value == (302, f"{url}/redirect?to=/bytes/3", b"moved")


@pytest.mark.parametrize("client", ["http", "urllib"])
def test_redirect_is_checked_again_at_each_hop(make_sandbox, http_server, client):
    other = TestServer()
    events = []
    try:
        url = f"{http_server.url}/redirect?to={http_server.url}/redirect%3Fto={other.url}/secret"
        code = (
            WHY
            if client == "urllib"
            else WHY.replace("urllib.request.urlopen(url, timeout=20).read()", "http.get(url)")
        )
        code = "from hypercell_guest import http\n" + code
        box = make_sandbox(domains=[http_server.url], on_audit=events.append)
        result = box.run(code, inputs={"url": url})
        reason = f'the rule "{http_server.url}" allows port {http_server.port} only'
        assert result.value == ("PermissionError", f"GET {other.url}/secret is not allowed: {reason}")
        assert (len(http_server.asked), other.asked) == (2, [])
        kinds = [event.event for event in events if event.event.startswith("http_")]
        assert kinds == ["http_allowed", "http_answered"] * 2 + ["http_denied"]
    finally:
        other.stop()


def test_credentials_and_secrets_do_not_follow_a_redirect_to_another_origin(make_sandbox, http_server):
    other = TestServer()
    try:
        domains = [Domain(http_server.url, headers={"X-Key": "k3y"}), other.url]
        code = (
            GET + "http.get(url, headers={'Authorization': 'mine', 'Cookie': 'a=b', 'X-Other': 'c'}).json()"
        )
        result = make_sandbox(domains=domains).run(
            code, inputs={"url": f"{http_server.url}/redirect?to={other.url}/echo"}
        )
        headers = dict(result.value["headers"])
        assert headers["x-other"] == "c"
        assert not {"authorization", "cookie", "x-key"} & set(headers)
        first = {name.lower(): value for name, value in http_server.asked[0][2].items()}
        assert (first["authorization"], first["x-key"]) == ("mine", "k3y")
    finally:
        other.stop()


@pytest.mark.parametrize(
    ("method", "status", "seen"),
    [
        ("POST", 302, ("GET", b"")),
        ("POST", 303, ("GET", b"")),
        ("POST", 307, ("POST", b"x")),
        ("PUT", 308, ("PUT", b"x")),
    ],
)
def test_redirect_changes_the_method_as_browsers_do(make_sandbox, http_server, method, status, seen):
    url = f"{http_server.url}/redirect?status={status}&to=/bytes/0"
    code = "from hypercell_guest import http\nhttp.request(method, url, data=b'x').status"
    result = make_sandbox(domains=[http_server.url]).run(code, inputs={"url": url, "method": method})
    assert result.value == 200
    assert (http_server.asked[1][0], http_server.asked[1][3]) == seen


def test_redirects_end(make_sandbox, http_server):
    result = make_sandbox(domains=[http_server.url]).run(
        GET + "get(url)", inputs={"url": http_server.url + "/loop"}
    )
    assert result.error.type == "OSError"
    assert result.error.message == f"{http_server.url}/loop/20 redirects again after 20 redirects"
    assert len(http_server.asked) == 21


@pytest.mark.parametrize(
    "to", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "http://[::1/"]
)
def test_redirect_to_what_is_not_http_is_refused(make_sandbox, http_server, to):
    url = f"{http_server.url}/redirect?to={to}"
    result = make_sandbox(domains=[http_server.url]).run(GET + "get(url)", inputs={"url": url})
    assert result.error.type == "PermissionError"
    assert f"the redirect from {url} to " in result.error.message
    assert len(http_server.asked) == 1


def test_https_works_with_a_certificate_that_the_rule_trusts(make_sandbox, https_server, certificates):
    for name in ("127.0.0.1", "localhost"):
        url = f"https://{name}:{https_server.port}"
        box = make_sandbox(domains=[Domain(url, ca_file=certificates[0])])
        result = box.run(GET + "get(url)[::2]", inputs={"url": url + "/bytes/2"})
        assert result.value == (200, b"\x00\x01")
        assert box.run(WHY, inputs={"url": url + "/bytes/2"}).value == "allowed"


def test_certificate_that_nobody_trusts_is_refused(why, https_server):
    kind, text = why(https_server.url + "/x", https_server.url)
    assert kind == "SSLCertVerificationError"
    assert text == f"GET {https_server.url}/x: TLS failed: invalid peer certificate: UnknownIssuer"
    assert https_server.asked == []


def test_guest_cannot_switch_verification_off(make_sandbox, https_server):
    code = (
        "import ssl, urllib.request\ncontext = ssl.create_default_context()\ncontext.check_hostname = False\n"
        "context.verify_mode = ssl.CERT_NONE\nurllib.request.urlopen(url, context=context)"
    )
    result = make_sandbox(domains=[https_server.url]).run(code, inputs={"url": https_server.url})
    assert result.error.type == "URLError"
    assert "UnknownIssuer" in result.error.message


def test_certificates_of_the_machine_may_be_named_by_its_environment(https_server, certificates):
    code = (
        "import hypercell, sys\nwith hypercell.Sandbox(domains=[sys.argv[1]]) as box:\n"
        "    code = 'import urllib.request\\nurllib.request.urlopen(url).status'\n"
        "    result = box.run(code, inputs={'url': sys.argv[1]})\n"
        "result.raise_for_error()\nassert result.value == 200"
    )
    environment = {**os.environ, "SSL_CERT_FILE": str(certificates[0])}
    subprocess.run([sys.executable, "-c", code, https_server.url], env=environment, check=True, timeout=100)


def test_proxies_of_the_environment_are_not_used(make_sandbox, http_server, monkeypatch):
    proxy = TestServer()
    try:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        result = make_sandbox(domains=[http_server.url]).run(
            GET + "get(url)[0]", inputs={"url": http_server.url}
        )
        assert (result.value, len(http_server.asked), proxy.asked) == (200, 1, [])
    finally:
        proxy.stop()


def test_certificate_of_another_name_is_refused(why, certificates):
    server = TestServer(context=certificates[1]("other.example"))
    try:
        kind, text = why(server.url + "/", Domain(server.url, ca_file=certificates[0]))
        assert kind == "SSLCertVerificationError"
        assert "not valid for name" in text
        assert server.asked == []
    finally:
        server.stop()


def test_certificate_out_of_date_is_refused(why, certificates):
    import datetime

    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    server = TestServer(context=certificates[1]("127.0.0.1", not_after=past))
    try:
        kind, text = why(server.url + "/", Domain(server.url, ca_file=certificates[0]))
        assert (kind, "expired" in text) == ("SSLCertVerificationError", True)
    finally:
        server.stop()


def test_failures_are_told_apart(why, http_server):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{listening.getsockname()[1]}"
    assert why(closed, closed)[0] == "ConnectionRefusedError"
    name = "http://does-not-exist.invalid"
    assert why(name, name)[0] == "gaierror"
    for path, kind in [
        ("/garbage", "ConnectionError"),
        ("/close", "ConnectionResetError"),
        ("/big-head", "OSError"),
        ("/many-headers", "ConnectionError"),
    ]:
        assert why(http_server.url + path, http_server.url)[0] == kind, path
    tls = http_server.url.replace("http:", "https:")
    assert why(tls, tls)[0] in ("SSLError", "ConnectionResetError", "ConnectionError")


@pytest.mark.parametrize(
    ("domains", "message"),
    [
        ("api.github.com", "domains must be several, as in domains=['api.github.com']"),
        (5, "domains must be several, as in domains=[5]"),
        ([5], "a domain must be a str, a pair with methods, or a Domain, got 5"),
        ([("a", "GET", 1)], "a domain must be a str, a pair with methods, or a Domain, got ('a', 'GET', 1)"),
        ([("a", 5)], "domain 'a': methods must be str or several, got int"),
        ([("a", [5])], "domain 'a': a method must be a str, got 5"),
        ([""], 'the domain "" has no host'),
        (["*"], 'the domain "*" has a * elsewhere than in front of a domain, as in *.example.org'),
        (["*.org"], 'the domain "*.org" has a * in front of what is no domain with a dot'),
        (["ftp://a"], 'the domain "ftp://a" is not of http or https'),
        (
            ["https://u:p@a"],
            'the domain "https://u:p@a" holds a user name or password; send them in a header',
        ),
        ([("a", "get")], 'the domain "a" names "get", which is no method that can be allowed'),
        ([("a", "TRACE")], 'the domain "a" names "TRACE", which is no method that can be allowed'),
    ],
)
def test_rule_that_cannot_be_is_refused(make_sandbox, domains, message):
    with pytest.raises(hypercell.PolicyError) as caught:
        make_sandbox(domains=domains)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"headers": {"X": "a\nb"}}, 'the domain "a" sets a bad header "X"'),
        ({"headers": {"X": "\u20ac"}}, "domain 'a': the value of 'X' is not Latin-1"),
        ({"headers": {"X\udc80": "a"}}, "domain 'a': 'X\\udc80' holds a lone surrogate"),
        ({"methods": "G\udc80"}, "domain 'a': 'G\\udc80' holds a lone surrogate"),
        ({"headers": {"X": 5}}, "domain 'a': names and values of headers must be str"),
        (
            {"headers": {"Host": "b"}},
            'the domain "a" sets the header "host", which belongs to the connection',
        ),
        ({"headers": "X"}, "domain 'a': headers must be a mapping, got str"),
        ({"allow_private": 1}, "domain 'a': allow_private must be bool, got int"),
        ({"ca_file": 1}, "domain 'a': ca_file must be a path, got int"),
        ({"ca_file": __file__}, 'the domain "a" brings no certificate'),
    ],
)
def test_option_of_a_rule_that_cannot_be_is_refused(make_sandbox, options, message):
    with pytest.raises(hypercell.PolicyError) as caught:
        make_sandbox(domains=[Domain("a", **options)])
    assert str(caught.value) == message


def test_file_of_certificates_that_is_missing_is_refused(make_sandbox, tmp_path):
    with pytest.raises(hypercell.PolicyError) as caught:
        make_sandbox(domains=[Domain("a", ca_file=tmp_path / "none.pem")])
    assert str(caught.value).startswith("domain 'a': ca_file cannot be read: [Errno 2]")


PIECES = [
    "https://",
    "http://",
    "a.example",
    "*.",
    "127.0.0.1",
    "[::1]",
    ":",
    "80",
    "/",
    "..",
    "%2e",
    "@",
    "\\",
    "?",
    "ü",
    "\x00",
    "�",
]


@pytest.mark.usefixtures("hypercell_with_image")
@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=30), st.lists(st.sampled_from(PIECES), max_size=6).map("".join)))
def test_any_text_is_a_rule_or_an_error_that_names_it(pattern):
    error = None
    try:
        hypercell.Sandbox(domains=[pattern]).close()
    except hypercell.PolicyError as raised:
        error = str(raised)
    assert error is None or error.startswith(("the domain ", "domain "))


def test_domain_does_not_change_and_compares_by_value():
    domain = Domain("a", methods=["GET"])
    assert (domain, hash(domain)) == (Domain("a", ("GET",)), hash(Domain("a", "GET")))
    assert repr(domain) == "Domain('a', methods=('GET',))"
    with pytest.raises(AttributeError):
        domain.pattern = "b"


def test_decisions_are_audited(make_sandbox, http_server):
    events = []
    url = http_server.url
    box = make_sandbox(domains=[(url, "GET")], on_audit=events.append)
    box.run(GET + "get(url + '/bytes/1')\nhttp.post(url)", inputs={"url": url})
    seen = [event.to_dict() for event in events if event.event.startswith("http_")]
    for event in seen:
        del event["sandbox"], event["time"]
    assert seen == [
        {
            "event": "http_allowed",
            "run": 1,
            "request": 1,
            "method": "GET",
            "url": url + "/bytes/1",
            "rule": url,
        },
        {"event": "http_answered", "run": 1, "request": 1, "status": 200},
        {
            "event": "http_denied",
            "run": 1,
            "request": 2,
            "method": "POST",
            "url": url + "/",
            "reason": f'POST {url}/ is not allowed: the rule "{url}" allows the methods GET only',
        },
    ]


@pytest.mark.usefixtures("hypercell_with_image")
def test_async_sandbox_takes_domains_too(http_server):
    import asyncio

    async def main():
        async with hypercell.AsyncSandbox(domains=[http_server.url]) as box:
            return await box.run(GET + "get(url)[0]", inputs={"url": http_server.url})

    assert asyncio.run(main()).value == 200


def test_sandbox_says_where_requests_go(sandbox):
    result = sandbox.run("import socket\nsocket.create_connection(('127.0.0.1', 80))")
    assert result.error.type == "PermissionError"
    assert result.error.message == (
        "[Errno 13] sockets cannot be opened here; requests of HTTP go where Sandbox(domains=...) allows"
    )


def test_body_of_a_response_is_left_as_the_server_sent_it(make_sandbox, http_server):
    import gzip

    result = make_sandbox(domains=[http_server.url]).run(
        GET + "get(url)[2]", inputs={"url": http_server.url + "/gzip"}
    )
    assert gzip.decompress(result.value) == b"zipped " * 100


def test_headers_of_the_connection_go_neither_way(make_sandbox, http_server):
    code = GET + (
        "sent = http.get(url + '/echo', headers={'Connection': 'X-Named', 'X-Named': '1', 'TE': 'x', 'Host': 'evil',"
        " 'Proxy-Authorization': 'p', 'Content-Length': '7', 'Transfer-Encoding': 'chunked', 'X-Kept': '1'}).json()\n"
        "sent['headers'], list(http.get(url + '/hop').headers)"
    )
    sent, got = make_sandbox(domains=[http_server.url]).run(code, inputs={"url": http_server.url}).value
    names = {name for name, _ in sent}
    assert "x-kept" in names
    assert not names & {"x-named", "te", "proxy-authorization", "content-length", "transfer-encoding"}
    assert dict(sent)["host"] == f"127.0.0.1:{http_server.port}"
    assert "x-end" in got
    assert not {"connection", "keep-alive", "x-hop", "proxy-thing"} & set(got)


def test_small_client_has_what_it_says(make_sandbox, http_server):
    code = """
from hypercell_guest import http
made = http.post(url + "/echo", json={"a": [1]}, params={"q": "a b"}, headers={"X-A": "1"})
seen = made.json()
with http.get(url + "/bytes/300000") as big:
    sizes = {len(part) <= 1000 for part in big.iter_bytes(1000)}
saved = http.get(url + "/bytes/300000").save("/tmp/file")
try:
    http.get(url + "/status/404").raise_for_status()
except http.StatusError as error:
    failed = error.response.status, str(error)
streamed = http.put(url + "/echo", data=(b"x" * 1000 for _ in range(300))).json()["body"]
import io
read = http.put(url + "/echo", data=io.BytesIO(b"y" * 5000)).json()["body"]
missing = made.headers.get("x-none"), "CONTENT-TYPE" in made.headers, made.headers["Content-Type"]
seen["path"], seen["body"], sizes, saved, len(open("/tmp/file", "rb").read()), failed, len(streamed), len(read), missing
"""
    value = make_sandbox(domains=[http_server.url]).run(code, inputs={"url": http_server.url}).value
    failed = (404, f"{http_server.url}/status/404 answered with status 404")
    missing = (None, True, "application/json")
    body = json.dumps({"a": [1]})
    assert value == ("/echo?q=a+b", body, {True}, 300_000, 300_000, failed, 300_000, 5000, missing)
