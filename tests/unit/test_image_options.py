"""What `Image.from_environment` hands to the native side, and what it refuses before."""

import io
import math
import sys
import threading
from pathlib import Path

import pytest

import hypercell
from hypercell import _image


class Opened:
    """Stands in for the native module and its image."""

    def __init__(self, notices=()):
        self.Image = self
        self.notices = list(notices)
        self.options = []
        self.packages = []
        self.memory_bytes = hypercell.Limits().memory_bytes

    def open(self, **options):
        self.options.append(options)
        for stage, fraction in (("looking", 0.0), ("packing", 0.4), ("ready", 1.0)):
            if options["progress"] is not None:
                options["progress"](stage, fraction)
        return self


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def opened(monkeypatch):
    native = Opened()
    monkeypatch.setattr(_image, "native", lambda: native)
    monkeypatch.setattr(_image, "_defaults", [])
    return native


def test_image_is_of_the_running_interpreter_and_the_packages_own_guest(opened, monkeypatch, tmp_path):
    monkeypatch.delenv("HYPERCELL_CACHE_DAYS", raising=False)
    monkeypatch.setenv("HYPERCELL_CACHE_DIR", str(tmp_path))
    hypercell.Image.from_environment(["numpy"], warm=["json"])
    assert opened.options == [
        {
            "python": sys.executable,
            "guest_dir": str(Path(_image.__file__).parent / "_guest"),
            "cache_dir": str(tmp_path),
            "packages": ["numpy"],
            "warm": ["json"],
            "memory_bytes": hypercell.Limits().memory_bytes,
            "unused_for_s": 40 * 86_400,
            "progress": None,
        }
    ]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HYPERCELL_CACHE_DIR": "/own", "XDG_CACHE_HOME": "/xdg"}, "/own"),
        ({"HYPERCELL_CACHE_DIR": "", "XDG_CACHE_HOME": "/xdg"}, "/xdg/hypercell"),
        ({"XDG_CACHE_HOME": "", "HOME": "/home/ann"}, "/home/ann/.cache/hypercell"),
    ],
)
def test_cache_directory_is_the_users(monkeypatch, environment, expected):
    for name in ("HYPERCELL_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert _image.cache_directory() == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"packages": "numpy"}, "packages must be a list of names, got 'numpy'"),
        ({"packages": 5}, "packages must be a list of names, got 5"),
        ({"warm": ["json", None]}, "warm must be a list of names, got None in it"),
        ({"python": 5}, "python must be a path, got int"),
        ({"cache_dir": ["x"]}, "cache_dir must be a path, got list"),
        ({"progress": "yes"}, "progress must be callable, got str"),
    ],
)
def test_option_that_cannot_be_is_refused_with_its_value(opened, options, message):
    with pytest.raises(hypercell.PolicyError) as caught:
        hypercell.Image.from_environment(**options)
    assert (str(caught.value), opened.options) == (message, [])


@pytest.mark.parametrize(
    ("days", "seconds"), [("", 40 * 86_400), ("7", 604_800), ("0.5", 43_200), ("inf", math.inf)]
)
def test_days_until_a_build_removes_an_image_come_from_the_environment(opened, monkeypatch, days, seconds):
    monkeypatch.setenv("HYPERCELL_CACHE_DAYS", days)
    hypercell.Image.from_environment()
    assert [options["unused_for_s"] for options in opened.options] == [seconds]


@pytest.mark.parametrize("days", ["0", "-1", "nan", "never", "7d"])
def test_days_that_are_no_number_above_zero_are_an_image_error(opened, monkeypatch, days):
    monkeypatch.setenv("HYPERCELL_CACHE_DAYS", days)
    with pytest.raises(hypercell.ImageError) as caught:
        hypercell.Image.from_environment()
    message = f"HYPERCELL_CACHE_DAYS must be a number of days above 0, or inf, got {days!r}"
    assert (str(caught.value), opened.options) == (message, [])


@pytest.mark.usefixtures("opened")
def test_unknown_interpreter_is_an_image_error(monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(hypercell.ImageError, match="python="):
        hypercell.Image.from_environment()


def test_notice_of_the_cache_is_a_warning(opened):
    opened.notices = ["entry was damaged and built again"]
    with pytest.warns(RuntimeWarning, match="damaged"):
        hypercell.Image.from_environment()


@pytest.mark.usefixtures("opened")
def test_build_is_shown_on_a_terminal_only(monkeypatch):
    for stream in (Terminal(), io.StringIO(), None):
        monkeypatch.setattr(sys, "stderr", stream)
        hypercell.Image.from_environment()
        if isinstance(stream, Terminal):
            shown = stream.getvalue().replace("\r\033[K", "|")
            assert (
                shown
                == "|hypercell: building the image: packing (40%)|hypercell: building the image: ready (100%)\n"
            )
        elif stream is not None:
            assert stream.getvalue() == ""


def test_default_image_is_opened_once_by_many_threads(opened):
    found = []
    threads = [threading.Thread(target=lambda: found.append(_image.default_image())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(opened.options), len(set(map(id, found)))) == (1, 1)
