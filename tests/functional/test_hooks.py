"""`before_http_request` and `before_file_open`: who is asked before what, and what comes of each answer."""

import asyncio
import contextvars
import hashlib
import json
import threading
import time
from dataclasses import replace

import pytest

import hypercell
from hypercell import DeniedError, Domain, FileRequest, HttpRequest, Mount

ATTEMPT = """
def attempt(action):
    try:
        return action()
    except OSError as error:
        return type(error).__name__, error.errno, error.strerror
"""
GET = """
from hypercell_guest import http
def get(url, **options):
    response = http.get(url, **options)
    return response.status, response.url, response.body.decode()
"""
GET_EACH = ATTEMPT + GET + "[attempt(lambda: get(url)) for url in urls]"
READ_EACH = ATTEMPT + "[attempt(lambda: open(path).read()) for path in paths]"


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("first")
    (folder / "secret.txt").write_text("secret")
    (folder / "sub" / "b.txt").write_text("second")
    return folder


def heard(events, *kinds):
    """The events of these kinds, without what is the same in all."""
    same = ("sandbox", "run", "time")
    shown = [event.to_dict() for event in events if event.event.startswith(kinds)]
    return [{name: value for name, value in event.items() if name not in same} for event in shown]


def paths_asked(server):
    return [path for _, path, _, _ in server.asked]


def deny(_):
    raise DeniedError("not on a Sunday")


def test_hook_sees_a_request_as_it_will_be_sent_but_for_what_the_domain_adds(make_sandbox, http_server):
    asked = []
    domain = Domain(http_server.url, headers={"X-Secret": "host"})
    box = make_sandbox(domains=[domain], before_http_request=asked.append)
    code = """
from hypercell_guest import http
headers = {"X-Mine": "\\xe9", "X-Secret": "guest", "Connection": "close"}
http.request("POST", url + "/a/../echo?q=1#part", headers=headers, data=b"\\x00body").json()
"""
    result = box.run(code, inputs={"url": http_server.url})
    result.raise_for_error()
    [request] = asked
    assert (request.method, request.url, request.body, request.hop) == (
        "POST",
        f"{http_server.url}/echo?q=1",
        b"\x00body",
        0,
    )
    headers = dict(request.headers)
    assert (headers["x-mine"], headers["x-secret"]) == ("\xe9", "guest")
    assert not {"connection", "host", "content-length"} & set(headers)
    assert ["x-secret", "host"] in result.value["headers"]
    assert "host" not in headers.values()


def test_denied_request_is_not_sent_and_the_guest_and_the_log_are_told_why(make_sandbox, http_server):
    def hook(request):
        if request.url.endswith("/secret"):
            raise DeniedError("not on a Sunday")

    events = []
    box = make_sandbox(domains=[http_server.url], before_http_request=hook, on_audit=events.append)
    urls = [f"{http_server.url}/secret", f"{http_server.url}/status/200"]
    denied, allowed = box.run(GET_EACH, inputs={"urls": urls}).value
    assert denied == ("PermissionError", 13, f"GET {urls[0]} is not allowed: not on a Sunday")
    assert allowed == (200, urls[1], "status")
    assert paths_asked(http_server) == ["/status/200"]
    rule = http_server.url
    assert heard(events, "http_")[:3] == [
        {"event": "http_allowed", "request": 1, "method": "GET", "url": urls[0], "rule": rule},
        {
            "event": "http_denied",
            "request": 1,
            "method": "GET",
            "url": urls[0],
            "reason": "not on a Sunday",
        },
        {"event": "http_allowed", "request": 2, "method": "GET", "url": urls[1], "rule": rule},
    ]


@pytest.mark.parametrize(
    "code",
    [
        "import urllib.request\nurllib.request.urlopen(url)",
        "import http.client\nc = http.client.HTTPConnection(host)\nc.request('GET', '/')\nc.getresponse()",
    ],
)
def test_libraries_of_the_guest_are_asked_about_too(make_sandbox, http_server, code):
    box = make_sandbox(domains=[http_server.url], before_http_request=deny)
    host = http_server.url.removeprefix("http://")
    error = box.run(code, inputs={"url": http_server.url, "host": host}).error
    assert "not on a Sunday" in error.message
    assert http_server.asked == []


def test_what_no_domain_allows_is_not_asked_about(make_sandbox, http_server):
    asked = []
    box = make_sandbox(domains=[f"{http_server.url}/a"], before_http_request=asked.append)
    box.run(GET_EACH, inputs={"urls": [f"{http_server.url}/b"]}).raise_for_error()
    assert (asked, http_server.asked) == ([], [])


def test_changed_request_is_sent_in_place_of_the_other_and_heard_of(make_sandbox, http_server):
    changed = HttpRequest("PUT", f"{http_server.url}/echo?new", (("x-new", "1"), ("x-new", "\xe9")), b"other")
    events = []
    box = make_sandbox(
        domains=[http_server.url], before_http_request=lambda _: changed, on_audit=events.append
    )
    status, url, body = box.run(GET + "get(url)", inputs={"url": f"{http_server.url}/old"}).value
    assert (status, url) == (200, changed.url)
    seen = json.loads(body)
    assert (seen["method"], seen["path"], seen["body"]) == ("PUT", "/echo?new", "other")
    assert [value for name, value in seen["headers"] if name == "x-new"] == ["1", "\xe9"]
    sent = f"PUT {changed.url}\r\nx-new: 1\r\nx-new: \xe9\r\n\r\nother".encode("latin-1")
    assert heard(events, "http_rewritten", "http_allowed")[1:] == [
        {
            "event": "http_rewritten",
            "request": 1,
            "method": "PUT",
            "url": changed.url,
            "len_bytes": len("PUT") + len(changed.url) + len("x-new1x-new\xe9") + len("other"),
            "request_digest": hashlib.sha256(sent).hexdigest(),
        },
        {
            "event": "http_allowed",
            "request": 1,
            "method": "PUT",
            "url": changed.url,
            "rule": http_server.url,
        },
    ]


def test_hook_that_returns_what_it_got_changes_nothing(make_sandbox, http_server, data):
    events = []
    box = make_sandbox(
        domains=[http_server.url],
        mounts=[(data, "/input")],
        before_http_request=lambda request: replace(request),
        before_file_open=lambda request: replace(request),
        on_audit=events.append,
    )
    code = GET + "get(url)[0], open('/input/a.txt').read()"
    assert box.run(code, inputs={"url": http_server.url}).value == (200, "first")
    assert heard(events, "http_rewritten", "file_rewritten") == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"url": "{other}/x"},
            "GET {other}/x is not allowed: no rule allows the host localhost; there are {ok}",
        ),
        ({"url": "{url}/b"}, 'GET {url}/b is not allowed: the rule "{ok}" does not allow this path'),
        ({"method": "PUT"}, 'PUT {url}/a is not allowed: the rule "{ok}" allows the methods GET only'),
        ({"method": "CONNECT"}, 'the method "CONNECT" cannot be used here'),
        ({"url": "file:///etc/passwd"}, 'the URL "file:///etc/passwd" has no host'),
        ({"headers": (("x", "a\r\nHost: evil"),)}, 'the header "x" cannot be sent'),
        ({"headers": (("x", "1"),) * 129}, "129 headers exceed 128"),
    ],
)
def test_changed_request_passes_the_domains_again(make_sandbox, http_server, change, reason):
    names = {
        "url": http_server.url,
        "ok": f"{http_server.url}/a",
        "other": f"http://localhost:{http_server.port}",
    }
    if "url" in change:
        change = {"url": change["url"].format(**names)}
    events = []
    box = make_sandbox(
        domains=[(names["ok"], "GET")],
        before_http_request=lambda request: replace(request, **change),
        on_audit=events.append,
    )
    [denied] = box.run(GET_EACH, inputs={"urls": [names["ok"]]}).value
    assert denied == ("PermissionError", 13, reason.format(**names))
    assert http_server.asked == []
    assert heard(events, "http_")[-1]["event"] == "http_denied"
    assert heard(events, "http_")[-1]["reason"] == reason.format(**names)


def test_changed_request_has_the_headers_of_the_domain_that_allows_it(make_sandbox, http_server):
    domains = [
        Domain(f"{http_server.url}/echo/a", headers={"X-Secret": "a"}),
        Domain(f"{http_server.url}/echo/b", headers={"X-Secret": "b"}),
    ]
    box = make_sandbox(
        domains=domains,
        before_http_request=lambda request: replace(request, url=f"{http_server.url}/echo/b"),
    )
    body = box.run(GET + "get(url)[2]", inputs={"url": f"{http_server.url}/echo/a"}).value
    assert [value for name, value in json.loads(body)["headers"] if name == "x-secret"] == ["b"]


def test_what_a_hook_adds_is_charged(make_sandbox, http_server):
    box = make_sandbox(
        domains=[http_server.url],
        before_http_request=lambda request: replace(request, body=b"x" * 5000),
        limits=hypercell.Limits(http_request_bytes=4000),
    )
    with pytest.raises(hypercell.NetworkLimitError, match="http_request_bytes"):
        box.run(GET + "get(url)", inputs={"url": http_server.url})
    assert http_server.asked == []


def test_hook_is_asked_at_each_redirect_and_may_stop_it(make_sandbox, http_server):
    url = http_server.url
    last = f"{url}/status/200"
    second = f"{url}/redirect?to={last}"
    first = f"{url}/redirect?to={second}"
    asked = []

    def hook(request):
        asked.append((request.url, request.hop))
        if len(asked) == 6:
            raise DeniedError("far enough")

    box = make_sandbox(domains=[url], before_http_request=hook)
    outcomes = box.run(GET_EACH, inputs={"urls": [first, first]}).value
    assert outcomes[0] == (200, last, "status")
    assert outcomes[1][2] == f"GET {last} is not allowed: far enough"
    assert asked == [(first, 0), (second, 1), (last, 2)] * 2
    assert paths_asked(http_server).count("/status/200") == 1


def test_library_that_follows_redirects_itself_is_asked_about_each(make_sandbox, http_server):
    asked = []
    box = make_sandbox(domains=[http_server.url], before_http_request=asked.append)
    first = f"{http_server.url}/redirect?to=/status/200"
    code = "import urllib.request\nurllib.request.urlopen(url).status"
    assert box.run(code, inputs={"url": first}).value == 200
    assert [(request.url, request.hop) for request in asked] == [
        (first, 0),
        (f"{http_server.url}/status/200", 0),
    ]


def test_redirect_goes_on_from_the_changed_request(make_sandbox, http_server):
    def hook(request):
        if request.hop == 0:
            url = f"{http_server.url}/redirect?to=/echo&status=307"
            return replace(request, method="POST", url=url, body=b"changed")
        return None

    box = make_sandbox(domains=[http_server.url], before_http_request=hook)
    seen = json.loads(box.run(GET + "get(url)[2]", inputs={"url": f"{http_server.url}/x"}).value)
    assert (seen["method"], seen["path"], seen["body"]) == ("POST", "/echo", "changed")


def test_time_of_a_hook_is_not_time_of_a_server(make_sandbox, http_server):
    limits = hypercell.Limits(http_time_s=0.5)
    box = make_sandbox(domains=[http_server.url], before_http_request=lambda _: time.sleep(1), limits=limits)
    result = box.run(GET + "get(url, timeout=0.5)[0]", inputs={"url": http_server.url})
    assert result.value == 200
    assert result.usage.http_time_s < 1 <= result.usage.wall_time_s


FAILURES = [
    (lambda _: 1 / 0, ZeroDivisionError, "division by zero"),
    (lambda _: (_ for _ in ()).throw(KeyboardInterrupt("now")), KeyboardInterrupt, "now"),
]
HTTP_FAILURES = [
    (lambda _: True, TypeError, "before_http_request must return an HttpRequest or None, got bool"),
    (lambda r: replace(r, url=b"x"), TypeError, "before_http_request: url must be str, got bytes"),
    (lambda r: replace(r, method=None), TypeError, "before_http_request: method must be str, got NoneType"),
    (lambda r: replace(r, body="x"), TypeError, "before_http_request: body must be bytes, got str"),
    (
        lambda r: replace(r, headers={"x": "1"}),
        TypeError,
        "before_http_request: headers must be a tuple of pairs of str, got dict",
    ),
    (
        lambda r: replace(r, headers=(("x", 1),)),
        TypeError,
        "before_http_request: a header must be a pair of str, got ('x', 1)",
    ),
]
FILE_FAILURES = [
    (lambda _: "/input/b", TypeError, "before_file_open must return a FileRequest or None, got str"),
    (lambda r: replace(r, path=b"/x"), TypeError, "before_file_open: path must be str, got bytes"),
    (lambda r: replace(r, read=True), ValueError, "before_file_open may change the path of a request only"),
]


@pytest.mark.parametrize(("hook", "error", "message"), FAILURES + HTTP_FAILURES)
def test_http_hook_that_fails_ends_the_run_and_is_raised_there(
    make_sandbox, http_server, hook, error, message
):
    events = []
    box = make_sandbox(domains=[http_server.url], before_http_request=hook, on_audit=events.append)
    with pytest.raises(error) as raised:
        box.run(GET_EACH, inputs={"urls": [http_server.url]})
    assert str(raised.value) == message
    assert http_server.asked == []
    assert heard(events, "http_")[-1]["reason"] == "before_http_request failed"
    assert box.run("1 + 1").value == 2


@pytest.mark.parametrize(("hook", "error", "message"), FAILURES + FILE_FAILURES)
def test_file_hook_that_fails_ends_the_run_and_is_raised_there(make_sandbox, data, hook, error, message):
    events = []
    box = make_sandbox(
        mounts=[Mount(data, "/input", mode="rw")], before_file_open=hook, on_audit=events.append
    )
    with pytest.raises(error) as raised:
        box.run("open('/input/a.txt', 'w')")
    assert str(raised.value) == message
    assert (data / "a.txt").read_text() == "first"
    assert heard(events, "file_")[-1]["reason"] == "before_file_open failed"
    assert box.run("1 + 1").value == 2


def test_hook_sees_what_a_file_is_opened_for(make_sandbox, data):
    asked = []
    box = make_sandbox(mounts=[Mount(data, "/work", mode="rw")], before_file_open=asked.append)
    box.run(
        """
import os
for mode in ("r", "r+", "w", "a", "x"):
    open("/work/sub/../new" if mode == "x" else "/work/a.txt", mode).close()
os.truncate("/work/sub/b.txt", 1)
open("/tmp/mine", "w").close()
open("/output/mine", "w").close()
open(os.__file__).close()
"""
    ).raise_for_error()
    file = "/work/a.txt"
    assert asked == [
        FileRequest(file, read=True, write=False, create=False, truncate=False),
        FileRequest(file, read=True, write=True, create=False, truncate=False),
        FileRequest(file, read=False, write=True, create=True, truncate=True),
        FileRequest(file, read=False, write=True, create=True, truncate=False),
        FileRequest("/work/new", read=False, write=True, create=True, truncate=False),
        FileRequest("/work/sub/b.txt", read=False, write=True, create=False, truncate=False),
    ]


def test_denied_file_is_not_touched_and_the_log_is_told_why(make_sandbox, data):
    def hook(request):
        if "secret" in request.path or request.truncate:
            raise DeniedError("not on a Sunday")

    events = []
    box = make_sandbox(
        mounts=[Mount(data, "/work", mode="rw")], before_file_open=hook, on_audit=events.append
    )
    denied, allowed = box.run(READ_EACH, inputs={"paths": ["/work/secret.txt", "/work/a.txt"]}).value
    assert denied == ("PermissionError", 13, "Permission denied")
    assert allowed == "first"
    code = (
        ATTEMPT
        + "attempt(lambda: open('/work/a.txt', 'w'))[0], attempt(lambda: open('/work/secret2', 'x'))[0]"
    )
    assert box.run(code).value == ("PermissionError", "PermissionError")
    assert sorted(path.name for path in data.iterdir()) == ["a.txt", "secret.txt", "sub"]
    assert (data / "a.txt").read_text() == "first"
    assert [event for event in heard(events, "file_") if event["operation"] == "open"][:2] == [
        {"event": "file_allowed", "operation": "open", "mount": "/work", "path": "secret.txt"},
        {
            "event": "file_denied",
            "operation": "open",
            "mount": "/work",
            "path": "secret.txt",
            "reason": "not on a Sunday",
        },
    ]


def test_names_sizes_renaming_and_removing_are_not_asked_about(make_sandbox, data):
    box = make_sandbox(mounts=[Mount(data, "/work", mode="rw")], before_file_open=deny)
    code = """
import os
seen = sorted(os.listdir("/work")), os.stat("/work/a.txt").st_size
os.rename("/work/a.txt", "/work/moved")
os.mkdir("/work/made")
os.remove("/work/secret.txt")
seen
"""
    assert box.run(code).value == (["a.txt", "secret.txt", "sub"], 5)
    assert sorted(path.name for path in data.iterdir()) == ["made", "moved", "sub"]


def test_changed_path_is_opened_in_place_of_the_other_and_heard_of(make_sandbox, data, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_bytes(b"other")
    events = []
    box = make_sandbox(
        mounts=[(data, "/input"), Mount(tmp_path / "other", "/other", mode="rw")],
        before_file_open=lambda request: replace(request, path="/other/x"),
        on_audit=events.append,
    )
    result = box.run("open('/input/a.txt').read(), open('/other/y', 'a').write('+')")
    assert result.value == ("other", 1)
    assert (tmp_path / "other" / "x").read_text() == "other+"
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["x"]
    opened = [event for event in heard(events, "file_") if event["operation"] == "open"]
    assert opened[:3] == [
        {"event": "file_allowed", "operation": "open", "mount": "/input", "path": "a.txt"},
        {"event": "file_rewritten", "operation": "open", "mount": "/other", "path": "x"},
        {"event": "file_allowed", "operation": "open", "mount": "/other", "path": "x"},
    ]


@pytest.mark.parametrize(
    ("path", "error", "reason"),
    [
        ("/etc/passwd", "PermissionError", "outside_mounts"),
        ("/workshop/a.txt", "PermissionError", "outside_mounts"),
        ("relative", "PermissionError", "outside_mounts"),
        ("/work/../../etc/passwd", "OSError", "bad_path"),
        ("/work/sub/../a.txt", "OSError", "bad_path"),
        ("/work/a\0.txt", "OSError", "bad_path"),
        ("/work/out", "PermissionError", "leaves_mount"),
        ("/input/a.txt", "OSError", "read_only"),
    ],
)
def test_changed_path_passes_the_mounts_again(make_sandbox, data, path, error, reason):
    (data / "out").symlink_to("/etc/passwd")
    events = []
    box = make_sandbox(
        mounts=[(data, "/input"), Mount(data, "/work", mode="rw")],
        before_file_open=lambda request: replace(request, path=path),
        on_audit=events.append,
    )
    seen = box.run(ATTEMPT + "attempt(lambda: open('/work/sub/b.txt', 'w'))").value
    assert seen[0] == error
    assert heard(events, "file_denied")[-1]["reason"] == reason
    assert (data / "a.txt").read_text() == "first"
    assert (data / "sub" / "b.txt").read_text() == "second"


def test_path_that_is_no_text_comes_and_goes_unharmed(make_sandbox, data):
    (data / "caf\udce8").write_text("grave")
    (data / "caf\udce9").write_text("acute")
    asked = []

    def hook(request):
        asked.append(request.path)
        return replace(request, path="/input/caf\udce9")

    box = make_sandbox(mounts=[(data, "/input")], before_file_open=hook)
    code = "import os\nopen(os.fsencode('/input/') + b'caf\\xe8', 'rb').read()"
    assert box.run(code).value == b"acute"
    assert asked == ["/input/caf\udce8"]


@pytest.mark.parametrize("kind", ["http", "file"])
def test_cancel_within_a_hook_ends_the_run_before_anything_happens(make_sandbox, http_server, data, kind):
    def hook(_):
        assert box.cancel()

    box = make_sandbox(
        domains=[http_server.url],
        mounts=[Mount(data, "/work", mode="rw")],
        before_http_request=hook,
        before_file_open=hook,
    )
    code = GET + "get(url)" if kind == "http" else "open('/work/a.txt', 'w')"
    with pytest.raises(hypercell.RunCancelledError):
        box.run(code, inputs={"url": http_server.url})
    assert http_server.asked == []
    assert (data / "a.txt").read_text() == "first"
    assert box.run("1 + 1").value == 2


@pytest.mark.parametrize("kind", ["http", "file"])
def test_hook_that_does_not_return_is_left_behind_at_the_time_limit(make_sandbox, http_server, data, kind):
    over, ended = threading.Event(), threading.Event()

    def hook(_):
        over.wait(30)
        ended.set()

    box = make_sandbox(
        domains=[http_server.url],
        mounts=[Mount(data, "/work", mode="rw")],
        before_http_request=hook,
        before_file_open=hook,
        limits=hypercell.Limits(wall_time_s=0.5),
    )
    code = GET + "get(url)" if kind == "http" else "open('/work/a.txt', 'w')"
    with pytest.raises(hypercell.TimeLimitError) as raised:
        box.run(code, inputs={"url": http_server.url})
    assert raised.value.tool == {"http": "before_http_request", "file": "before_file_open"}[kind]
    assert not ended.is_set()
    assert box.run("1 + 1").value == 2
    over.set()
    assert ended.wait(30)
    # What was left behind asks nothing and opens nothing any more.
    time.sleep(0.2)
    assert http_server.asked == []
    assert (data / "a.txt").read_text() == "first"


def test_hook_that_returns_after_the_time_limit_lets_nothing_happen(make_sandbox, http_server):
    box = make_sandbox(
        domains=[http_server.url],
        before_http_request=lambda _: time.sleep(0.6),
        limits=hypercell.Limits(wall_time_s=0.5),
    )
    with pytest.raises(hypercell.TimeLimitError):
        box.run(GET + "get(url)", inputs={"url": http_server.url})
    time.sleep(0.3)
    assert http_server.asked == []


def test_hook_cannot_run_something_in_its_own_sandbox(make_sandbox, data):
    box = make_sandbox(mounts=[(data, "/input")], before_file_open=lambda _: box.run("1"))
    with pytest.raises(hypercell.SandboxBusyError):
        box.run("open('/input/a.txt')")


@pytest.mark.parametrize("error", [hypercell.PolicyError, hypercell.SandboxBusyError, KeyError])
def test_state_that_a_failing_hook_loses_is_said_to_be_lost(make_sandbox, data, error):
    def fail(_):
        raise error("mine")

    def add(a: int) -> int:
        """Adds one."""
        return a + 1

    files = {"mounts": [(data, "/input")], "before_file_open": fail}
    for options, code, on_output in [
        (files, "open('/input/a.txt')", None),
        ({"tools": [add], "before_tool_call": fail}, "add(1)", None),
        ({}, "print(1)", fail),
    ]:
        box = make_sandbox(keep_state=True, **options)
        box.run("x = 1").raise_for_error()
        with pytest.raises(error, match="mine"):
            box.run(code, on_output=on_output)
        with pytest.raises(hypercell.SandboxPoisonedError, match="mine"):
            box.run("x")


def test_hooks_have_the_context_of_the_caller(make_sandbox, data):
    user = contextvars.ContextVar("user", default="nobody")
    seen = []
    box = make_sandbox(mounts=[(data, "/input")], before_file_open=lambda _: seen.append(user.get()))
    user.set("Ann")
    box.run("open('/input/a.txt').close()").raise_for_error()
    assert seen == ["Ann"]


def test_two_sandboxes_in_two_threads_ask_their_own_hooks(make_sandbox, http_server, data):
    meeting = threading.Barrier(2, timeout=60)
    asked: dict[str, list[str]] = {"one": [], "two": []}

    def hook_of(name):
        def hook(request):
            # Both are in their hooks at once: neither waits for the other's run.
            meeting.wait()
            asked[name].append(request.url.rpartition("/")[2])

        return hook

    def run(name):
        box = make_sandbox(domains=[http_server.url], before_http_request=hook_of(name))
        urls = [f"{http_server.url}/{name}{i}" for i in range(5)]
        box.run(GET_EACH, inputs={"urls": urls}).raise_for_error()

    threads = [threading.Thread(target=run, args=(name,)) for name in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == {name: [f"{name}{i}" for i in range(5)] for name in asked}


@pytest.mark.usefixtures("hypercell_with_image")
def test_async_sandbox_asks_too(http_server, data):
    threads = []

    def before_http(request):
        threads.append(threading.current_thread())
        raise DeniedError("no")

    def before_open(request):
        threads.append(threading.current_thread())
        return replace(request, path="/input/sub/b.txt")

    async def main():
        async with hypercell.AsyncSandbox(
            domains=[http_server.url],
            mounts=[(data, "/input")],
            before_http_request=before_http,
            before_file_open=before_open,
        ) as box:
            code = ATTEMPT + GET + "attempt(lambda: get(url))[0], open('/input/a.txt').read()"
            return (await box.run(code, inputs={"url": http_server.url})).value

    assert asyncio.run(main()) == ("PermissionError", "second")
    assert http_server.asked == []
    assert len(threads) == 2
    assert threading.main_thread() not in threads


@pytest.mark.usefixtures("hypercell_with_image")
def test_async_run_that_is_cancelled_in_a_hook_sends_nothing(http_server):
    entered, over = threading.Event(), threading.Event()

    def hook(_):
        entered.set()
        over.wait(30)

    async def main():
        async with hypercell.AsyncSandbox(domains=[http_server.url], before_http_request=hook) as box:
            run = asyncio.create_task(box.run(GET + "get(url)", inputs={"url": http_server.url}))
            await asyncio.to_thread(entered.wait, 60)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
            over.set()
            return (await box.run("1 + 1")).value

    assert asyncio.run(main()) == 2
    time.sleep(0.2)
    assert http_server.asked == []


def test_hooks_are_asked_after_a_snapshot_a_pause_and_in_a_pool(make_sandbox, http_server, data):
    def add(a: int) -> int:
        """Adds one."""
        return a + 1

    asked: list[str] = []
    options = {
        "tools": [add],
        "domains": [http_server.url],
        "mounts": [(data, "/input")],
        "before_http_request": lambda _: asked.append("http"),
        "before_file_open": lambda _: asked.append("file"),
    }
    code = GET + "n = add(1)\nget(url)[0] + len(open('/input/a.txt').read()) + n"
    box = make_sandbox(pause_on=["add"], **options)
    assert box.run(code, inputs={"url": http_server.url}).pending is not None
    snapshot = box.snapshot()
    assert box.resume(1).value == 206
    assert asked == ["http", "file"]
    with hypercell.Sandbox.from_snapshot(snapshot, **options) as later:
        assert later.resume(2).value == 207
    assert asked == ["http", "file"] * 2
    with hypercell.Pool(prepared=1) as pool, hypercell.Sandbox(pool=pool, **options) as pooled:
        assert pooled.run(code, inputs={"url": http_server.url}).value == 207
    assert asked == ["http", "file"] * 3


@pytest.mark.parametrize("name", ["before_http_request", "before_file_open"])
@pytest.mark.parametrize("make", [hypercell.Sandbox, hypercell.AsyncSandbox])
def test_what_cannot_be_asked_is_refused(make, name):
    async def later(_):
        return None

    for hook, message in [
        ("mine", f"{name} must be callable, got str"),
        (later, f"{name} must be a sync function, got an async one"),
    ]:
        with pytest.raises(hypercell.PolicyError) as raised:
            make(**{name: hook})
        assert str(raised.value) == message
