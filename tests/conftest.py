"""Fixtures for every test: sandboxes on one shared image, and what to do where no micro-VM can start."""

import os
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from http_servers import TestServer

KVM = "/dev/kvm"
REQUIRE_KVM = os.environ.get("HYPERCELL_TEST_REQUIRE_KVM") == "1"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "vm: starts a micro-VM; skipped as one line where /dev/kvm cannot be opened"
    )
    config.addinivalue_line("markers", "slow: takes more than ten seconds")
    config.addinivalue_line(
        "markers", "gate(*requests, aspect): what a guest asks for, and how that is decided (gates.py)"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that ask for a sandbox; skips them where no VM can start, unless one is required."""
    skip = None if REQUIRE_KVM or _can_open_kvm() else pytest.mark.skip(reason=f"cannot open {KVM}")
    for item in items:
        if "hypercell_with_image" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.vm)
        if skip is not None and item.get_closest_marker("vm"):
            item.add_marker(skip)


def _can_open_kvm() -> bool:
    try:
        os.close(os.open(KVM, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def hypercell_with_image() -> Any:
    """The package, after the image of this interpreter was built, which no test should pay for or measure."""
    import hypercell

    with hypercell.Sandbox() as box:
        assert box.run("6 * 7").value == 42
    return hypercell


@pytest.fixture
def make_sandbox(hypercell_with_image: Any) -> Iterator[Callable[..., Any]]:
    """Makes sandboxes with the arguments of `hypercell.Sandbox`; closes them after the test."""
    boxes: list[Any] = []

    def make(**options: Any) -> Any:
        boxes.append(hypercell_with_image.Sandbox(**options))
        return boxes[-1]

    yield make
    for box in boxes:
        box.close()


@pytest.fixture
def sandbox(make_sandbox: Callable[..., Any]) -> Any:
    """A sandbox with the default policy."""
    return make_sandbox()


@pytest.fixture
def http_server() -> Iterator[TestServer]:
    """A server of HTTP on 127.0.0.1."""
    server = TestServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Callable[..., ssl.SSLContext]]:
    """A file with the certificate of an authority of our own, and what makes contexts for its servers."""
    import trustme

    authority = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))

    def context_for(*names: str, **options: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names, **options).configure_cert(context)
        return context

    return path, context_for


@pytest.fixture
def https_server(certificates: tuple[Path, Callable[..., ssl.SSLContext]]) -> Iterator[TestServer]:
    """A server of HTTPS on 127.0.0.1, which is also `localhost`."""
    server = TestServer(context=certificates[1]("127.0.0.1", "localhost"))
    yield server
    server.stop()
