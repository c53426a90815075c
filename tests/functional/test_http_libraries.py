"""requests and httpx, unmodified, in an image that has them."""

import pytest

import hypercell
from http_servers import pattern

# What each raises where it cannot connect, and where it waited too long.
LIBRARIES = {"requests": ("ConnectionError", "ReadTimeout"), "httpx": ("ConnectError", "ReadTimeout")}
ATTEMPT = "try: {}\nexcept Exception as error: found = type(error).__name__, str(error)\nfound"
pytestmark = pytest.mark.vm


@pytest.fixture(scope="module", params=["imported by the run", "imported by the image"])
def image(request):
    pytest.importorskip("requests")
    pytest.importorskip("httpx")
    warm = [] if request.param == "imported by the run" else LIBRARIES
    return hypercell.Image.from_environment(packages=["requests", "httpx"], warm=warm)


@pytest.fixture(params=LIBRARIES)
def run(request, image, make_sandbox, http_server):
    """Runs code with `library` and `url`; returns the value."""
    box = make_sandbox(image=image, domains=[http_server.url])

    def run(code, **inputs):
        code = f"import {request.param} as library\n{code}"
        result = box.run(code, inputs={"url": http_server.url, **inputs})
        result.raise_for_error()
        return result.value

    run.denied, run.timeout = LIBRARIES[request.param]
    run.name = request.param
    return run


def test_get_and_post_work(run, http_server):
    code = "a = library.get(url + '/bytes/300000')\nb = library.post(url + '/echo', json={'a': [1]}).json()\n"
    status, body, method, sent = run(
        code + "a.status_code, a.content, b['method'], b['body'].replace(' ', '')"
    )
    assert (status, body, method, sent) == (200, pattern(300_000), "POST", '{"a":[1]}')
    assert len(http_server.asked) == 2


def test_session_keeps_its_cookies_and_connection(run):
    make = "library.Session()" if run.name == "requests" else "library.Client()"
    code = f"with {make} as session:\n    found = [session.get(f'{{url}}/bytes/{{n}}') for n in range(5)]\n"
    code += "[response.content for response in found]"
    assert run(code) == [pattern(n) for n in range(5)]


def test_upload_and_download_are_streamed(run):
    if run.name == "requests":
        code = (
            "sent = library.put(url + '/echo', data=(b'x' * 1000 for _ in range(300))).json()['body']\n"
            "with library.get(url + '/chunked/300000', stream=True) as response:\n"
            "    got = sum(map(len, response.iter_content(1000)))\n"
        )
    else:
        code = (
            "sent = library.put(url + '/echo', content=(b'x' * 1000 for _ in range(300))).json()['body']\n"
            "with library.stream('GET', url + '/chunked/300000') as response:\n"
            "    got = sum(map(len, response.iter_bytes(1000)))\n"
        )
    assert run(code + "len(sent), got") == (300_000, 300_000)


def test_redirect_is_the_libraries_own(run):
    options = ", follow_redirects=True" if run.name == "httpx" else ""
    code = f"response = library.get(url + '/redirect?to=/bytes/3'{options})\n"
    assert run(code + "[r.status_code for r in response.history], response.content") == ([302], pattern(3))


def test_compressed_response_is_unpacked(run):
    assert run("library.get(url + '/gzip').text") == "zipped " * 100


def test_what_no_rule_allows_raises_the_libraries_own_error(run):
    kind, text = run(ATTEMPT.format("library.get('http://other.example/')"))
    assert kind == run.denied
    assert "GET http://other.example/ is not allowed: no rule allows the host other.example" in text


def test_timeout_raises_the_libraries_own_error(run):
    kind, _ = run(ATTEMPT.format("library.get(url + '/hang', timeout=0.3)"))
    assert kind == run.timeout


def test_https_works_without_certificates_in_the_guest(image, make_sandbox, https_server, certificates):
    domain = hypercell.Domain(https_server.url, ca_file=certificates[0])
    box = make_sandbox(image=image, domains=[domain])
    code = "import requests, httpx\n[library.get(url).status_code for library in (requests, httpx)]"
    assert box.run(code, inputs={"url": https_server.url}).value == [200, 200]


def test_async_client_works(image, make_sandbox, http_server):
    code = """
import asyncio, httpx
async with httpx.AsyncClient() as client:
    responses = await asyncio.gather(*[client.get(f"{url}/bytes/{n}") for n in range(5)])
[response.content for response in responses]
"""
    result = make_sandbox(image=image, domains=[http_server.url]).run(code, inputs={"url": http_server.url})
    assert result.value == [pattern(n) for n in range(5)]
