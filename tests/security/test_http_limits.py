"""Limits of HTTP, each at its edge, and servers and guests that try to pass them."""

import contextlib
import threading
import time
from pathlib import Path

import pytest

import hypercell
from hypercell import Limits

PRELUDE = "from hypercell_guest import http\nprint('before')\n"


@pytest.fixture
def box_with(make_sandbox, http_server):
    """Makes a sandbox that may reach the server, with these limits."""
    return lambda **limits: make_sandbox(domains=[http_server.url], limits=Limits(**limits))


def attempt(box, code, http_server):
    """Runs code with `url`; returns the limit error, after a look at what it keeps and whether the sandbox goes on."""
    with pytest.raises(hypercell.NetworkLimitError) as caught:
        box.run(PRELUDE + code, inputs={"url": http_server.url})
    assert caught.value.result.stdout == "before\n"
    assert box.run("1").value == 1
    return caught.value


@contextlib.contextmanager
def host_grows_less_than(most_bytes):
    """Expects this process never to have so many bytes of memory more than it has now."""
    Path("/proc/self/clear_refs").write_text("5")  # The peak is from now on.
    before = peak_bytes()
    yield
    assert peak_bytes() - before < most_bytes


def peak_bytes():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


@pytest.mark.gate("HttpSend", aspect="at_limit")
def test_requests_up_to_the_limit_pass_and_one_more_ends_the_run(box_with, http_server):
    box = box_with(http_requests=3)
    result = box.run(PRELUDE + "[http.get(url).status for _ in range(3)]", inputs={"url": http_server.url})
    assert (result.value, result.usage.http_requests) == ([200] * 3, 3)
    error = attempt(box, "for _ in range(4): http.get(url)", http_server)
    assert str(error) == "4 requests exceed http_requests, which is 3"
    assert (error.limit, error.used, error.maximum, error.unit) == ("http_requests", 4, 3, "requests")
    assert error.result.usage.http_requests == 4
    assert len(http_server.asked) == 6


def test_denied_requests_and_redirects_count(box_with, http_server):
    box = box_with(http_requests=2)
    code = "for _ in range(3):\n    try: http.get('http://other.example')\n    except PermissionError: pass"
    assert attempt(box, code, http_server).used == 3
    assert attempt(box, "http.get(url + '/redirect?to=/redirect%3Fto=/')", http_server).used == 3


@pytest.mark.gate("HttpPart", aspect="at_limit")
def test_request_bytes_up_to_the_limit_pass_and_one_more_ends_the_run(box_with, http_server):
    code = "http.put(url + '/bytes/0', data=b'x' * size, headers={'X-Y': 'z'}).status"
    counted = box_with().run(PRELUDE + code, inputs={"url": http_server.url, "size": 300_000})
    used = counted.usage.http_request_bytes
    assert 300_000 < used < 300_200
    box = box_with(http_request_bytes=used)
    assert box.run(PRELUDE + code, inputs={"url": http_server.url, "size": 300_000}).value == 200
    error = attempt(box, code.replace("size", "300_001"), http_server)
    assert (error.limit, error.used, error.maximum) == ("http_request_bytes", used + 1, used)
    assert len(http_server.asked) == 2


@pytest.mark.gate("HttpRead", aspect="at_limit")
def test_response_bytes_up_to_the_limit_pass_and_one_more_ends_the_run(box_with, http_server):
    code = "len(http.get(url + path).body)"
    used = (
        box_with()
        .run(PRELUDE + code, inputs={"url": http_server.url, "path": "/bytes/300000"})
        .usage.http_response_bytes
    )
    assert 300_000 < used < 300_300
    box = box_with(http_response_bytes=used)
    inputs = {"url": http_server.url, "path": "/bytes/300000"}
    assert box.run(PRELUDE + code, inputs=inputs).value == 300_000
    error = attempt(box, code.replace("path", "'/bytes/300001'"), http_server)
    assert (error.limit, error.used, error.maximum) == ("http_response_bytes", used + 1, used)


def test_response_without_end_ends_at_the_limit(box_with, http_server):
    error = attempt(box_with(http_response_bytes=1 << 20), "http.get(url + '/endless').body", http_server)
    assert error.limit == "http_response_bytes"
    assert error.used <= (1 << 20) + (128 << 10)


def test_body_of_a_gibibyte_ends_the_run_at_the_limit_and_takes_no_memory(box_with, http_server):
    code = "with http.get(url + '/huge') as response:\n    for _ in response.iter_bytes(): pass"
    with host_grows_less_than(100 << 20):
        error = attempt(box_with(), code, http_server)
    assert (error.limit, error.maximum) == ("http_response_bytes", 64 << 20)
    assert error.used <= (64 << 20) + (128 << 10)


@pytest.mark.timeout(200)
def test_body_of_a_gibibyte_goes_through_a_guest_of_64_mebibytes(box_with, http_server):
    box = box_with(http_response_bytes=2 << 30, memory_bytes=64 << 20, wall_time_s=150, http_time_s=150)
    code = "with http.get(url + '/huge') as response: size = sum(map(len, response.iter_bytes()))\nsize"
    with host_grows_less_than(100 << 20):
        result = box.run(PRELUDE + code, inputs={"url": http_server.url})
    assert (result.error, result.value) == (None, 1 << 30)
    assert result.usage.http_response_bytes >= 1 << 30
    assert result.usage.memory_peak_bytes < 32 << 20


def test_request_of_a_gibibyte_ends_the_run_before_it_is_held(box_with, http_server):
    code = "http.put(url, data=(bytes(1 << 20) for _ in range(1024)))"
    with host_grows_less_than(100 << 20):
        error = attempt(box_with(), code, http_server)
    assert (error.limit, error.maximum) == ("http_request_bytes", 16 << 20)
    assert error.used <= (16 << 20) + (128 << 10)
    assert http_server.asked == []


def test_compressed_bomb_is_unpacked_in_the_guest_alone(box_with, http_server):
    box = box_with(wall_time_s=60)
    code = "import gzip\nbody = http.get(url + '/bomb').body\ngzip.decompress(body)"
    # The guest may have 128 MiB, which are memory of this process.
    with host_grows_less_than(200 << 20):
        result = box.run(PRELUDE + code, inputs={"url": http_server.url})
    assert result.error.type == "MemoryError"
    assert 1_000_000 < result.usage.http_response_bytes < 2_000_000
    assert box.run("1").value == 1


@pytest.mark.parametrize("path", ["/hang", "/hang-body", "/drip", "/drip-head"])
def test_exchange_ends_at_its_time(box_with, http_server, path):
    box = box_with(http_time_s=0.5)
    code = (
        "import time\nstart = time.monotonic()\n"
        "try: http.get(url + path).body\nexcept TimeoutError as error: text = str(error)\n"
        "text, time.monotonic() - start"
    )
    result = box.run(PRELUDE + code, inputs={"url": http_server.url, "path": path})
    text, took = result.value
    assert text == f"GET {http_server.url}{path} took longer than http_time_s, which is 0.5"
    assert 0.45 <= took < 1
    assert 0.45 <= result.usage.http_time_s < 1


@pytest.mark.parametrize("path", ["/hang", "/hang-body"])
def test_exchange_ends_at_the_timeout_that_it_is_given(box_with, http_server, path):
    code = (
        "try: http.get(url + path, timeout=0.2).body\nexcept TimeoutError as error: text = str(error)\ntext"
    )
    result = box_with().run(PRELUDE + code, inputs={"url": http_server.url, "path": path})
    assert result.value == (
        f"GET {http_server.url}{path} timed out after 0.2 s, the timeout that it was given"
    )


@pytest.mark.parametrize("path", ["/hang", "/hang-body", "/drip", "/drip-head"])
def test_wall_time_holds_while_a_server_hangs(box_with, http_server, path):
    box = box_with(wall_time_s=0.4)
    before = time.monotonic()
    with pytest.raises(hypercell.TimeLimitError) as caught:
        box.run(PRELUDE + "http.get(url + path).body", inputs={"url": http_server.url, "path": path})
    assert time.monotonic() - before < 0.4 + 0.15
    assert caught.value.result.stdout == "before\n"
    assert box.run("1").value == 1


@pytest.mark.parametrize("path", ["/hang", "/hang-body"])
def test_cancel_takes_effect_at_once_while_a_server_hangs(box_with, http_server, path):
    box = box_with()
    stopped = []

    def cancel():
        http_server.wait_for_requests(1)
        time.sleep(0.1)
        stopped.append(time.monotonic())
        box.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(hypercell.RunCancelledError):
        box.run(PRELUDE + "http.get(url + path).body", inputs={"url": http_server.url, "path": path})
    assert time.monotonic() - stopped[0] < 0.15
    thread.join()
    assert box.run("1").value == 1


@pytest.mark.usefixtures("hypercell_with_image")
def test_cancelled_task_ends_its_request(http_server):
    import asyncio

    async def main():
        async with hypercell.AsyncSandbox(domains=[http_server.url]) as box:
            await box.run("1")
            before = time.monotonic()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(
                    box.run(PRELUDE + "http.get(url)", inputs={"url": http_server.url + "/hang"}), 0.3
                )
            took = time.monotonic() - before
            return took, (await box.run("1")).value

    took, value = asyncio.run(main())
    assert took < 0.3 + 0.15
    assert value == 1


def test_other_threads_run_while_a_request_waits(box_with, http_server):
    counted = []

    def count():
        until = time.monotonic() + 0.4
        while time.monotonic() < until:
            counted.append(1)

    box = box_with(http_time_s=0.5)
    thread = threading.Thread(target=count)
    thread.start()
    code = "try: http.get(url + '/hang')\nexcept TimeoutError: pass"
    box.run(PRELUDE + code, inputs={"url": http_server.url})
    thread.join()
    assert len(counted) > 10_000


def test_threads_of_requests_that_were_left_behind_end(box_with, http_server):
    def of_requests():
        names = []
        for task in __import__("pathlib").Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError):
                names.append((task / "comm").read_text().strip())
        return names.count("hypercell-http")

    box = box_with(wall_time_s=0.3)
    for path in ("/hang", "/hang-body", "/endless"):
        with contextlib.suppress(hypercell.TimeLimitError):
            box.run(
                PRELUDE + f"held = http.get(url + '{path}')\nwhile True: pass",
                inputs={"url": http_server.url},
            )
    until = time.monotonic() + 5
    while of_requests() and time.monotonic() < until:
        time.sleep(0.01)
    assert of_requests() == 0


@pytest.mark.gate("HttpClose", aspect="allowed")
def test_responses_that_stay_open_are_bounded_and_closing_one_helps(box_with, http_server):
    code = (
        "held = [http.get(url + '/bytes/1000000') for _ in range(16)]\n"
        "try: http.get(url)\nexcept OSError as error: text = str(error)\n"
        "held.pop().close()\n"
        "text, http.get(url).status"
    )
    result = box_with().run(PRELUDE + code, inputs={"url": http_server.url})
    assert result.value == ("16 responses are open; read one to its end, or close it", 200)


def test_responses_that_are_dropped_do_not_count(box_with, http_server):
    code = "[http.get(url + '/bytes/1000000').status for _ in range(40)] == [200] * 40"
    assert box_with().run(PRELUDE + code, inputs={"url": http_server.url}).value is True


def test_response_that_is_open_ends_with_its_run(make_sandbox, http_server):
    box = make_sandbox(domains=[http_server.url], keep_state=True)
    box.run(PRELUDE + "held = http.get(url + '/bytes/1000000')", inputs={"url": http_server.url})
    result = box.run("held.body")
    assert result.error.message.endswith("has no response")


@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        ("/short", ("IncompleteRead", b"half ")),
        ("/cut-chunk", ("ConnectionResetError", None)),
        ("/bad-chunk", ("ConnectionError", None)),
        ("/long", (None, b"four")),
        ("/both", (None, b"abc")),
    ],
)
def test_server_that_lies_about_lengths_fools_nobody(box_with, http_server, path, outcome):
    code = (
        "import urllib.request\nresponse = urllib.request.urlopen(url + path)\n"
        "try: found = None, response.read()\n"
        "except Exception as error: found = type(error).__name__, getattr(error, 'partial', None)\n"
        "found"
    )
    result = box_with().run(PRELUDE + code, inputs={"url": http_server.url, "path": path})
    assert result.value == outcome


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("'GET', url + '/' + 'x' * 20_000", "the URL of "),
        ("'M' * 33, url", "the method of 33 bytes exceeds 32"),
        ("'GET', url, headers=[('x', 'y')] * 129", "the request of 131 headers exceeds 128"),
        ("'GET', url, headers={'x': 'y' * 70_000}", "the headers of "),
        ("'GET', url, headers={'x': 'a\\r\\nHost: evil'}", 'the header "x" cannot be sent'),
        ("'GET', url, headers={'x\\r\\ny': 'a'}", "the header "),
        ("'GET', url + '/a b'", "the URL "),
        ("'GET', url + '/\\r\\nX: y'", "the URL "),
        ("'GET', 'http://127.0.0.1\\\\@evil.example/'", "the URL "),
        ("'GET', 'file:///etc/passwd'", "the URL "),
        ("'GET', ''", 'the URL "" has no scheme with ://'),
        ("'G T', url", 'the method "G T" cannot be used here'),
    ],
)
def test_request_that_cannot_be_raises_in_the_guest(box_with, http_server, arguments, reason):
    result = box_with().run(PRELUDE + f"http.request({arguments})", inputs={"url": http_server.url})
    assert result.error.type in ("OSError", "PermissionError")
    assert result.error.message.partition("] ")[2].startswith(reason)
    assert http_server.asked == []


def test_request_refused_as_too_long_prints_nothing_when_it_is_dropped(box_with):
    code = "try:\n    http.request('GET', 'http://' + 'x' * 20_000)\nexcept OSError:\n    pass\n1"
    result = box_with().run(PRELUDE + code)
    assert (result.value, result.stderr) == (1, "")
