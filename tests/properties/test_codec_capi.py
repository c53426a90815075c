"""The C interface against generated input: what the package encodes passes, and nothing makes a decoder panic.

`HYPERCELL_TEST_CAPI` names the library; `cargo xtask test` builds it. `HYPERCELL_TEST_HYPOTHESIS=nightly` tries 100,000
examples a test in place of 200.
"""

import math
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

pytest.importorskip("cffi", reason="hypercell[testing] is not installed")

from hypercell import _native, testing

LIBRARY = os.environ.get("HYPERCELL_TEST_CAPI")
HEADER = Path(__file__).parents[2] / "crates/capi/include/hypercell.h"
GOLDEN = Path(__file__).parents[2] / "crates/abi/tests/golden"
IS_NIGHTLY = os.environ.get("HYPERCELL_TEST_HYPOTHESIS") == "nightly"
EXAMPLES = 100_000 if IS_NIGHTLY else 200

pytestmark = [
    pytest.mark.skipif(LIBRARY is None, reason="HYPERCELL_TEST_CAPI names no library"),
    pytest.mark.timeout(7200 if IS_NIGHTLY else 120),
]
attack = settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
CODEC = testing.Codec(LIBRARY, HEADER) if LIBRARY else None
FORMS = {"frame": ("guest_frame", "host_frame"), "value": ("value",), "archive": ("archive",)}


def check(name: str, *arguments: bytes | int) -> str | None:
    assert CODEC is not None
    return CODEC.check(name, *arguments)


def golden_files() -> list[tuple[str, str, bool]]:
    lines = (GOLDEN / "manifest.txt").read_text().splitlines()[1:]
    files = map(str.split, lines)
    return [(name, form, verdict == "loads") for name, form, verdict in files if form in FORMS]


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal and of equal types, NaN included."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float) and math.isnan(left):
        return math.isnan(right)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return len(left) == len(right) and all(map(same, left.items(), right.items()))
    return repr(left) == repr(right) or left == right


def test_header_declares_the_checks_that_the_library_has() -> None:
    assert CODEC is not None
    assert CODEC.abi_version == 1
    assert CODEC.checks == [
        "value",
        "named_values",
        "guest_frame",
        "host_frame",
        "exit_turn",
        "enter_turn",
        "archive",
        "mount_path",
        "url_rule",
    ]


@pytest.mark.parametrize(("name", "form", "loads"), golden_files())
def test_golden_file_has_its_verdict(name: str, form: str, loads: bool) -> None:
    data = (GOLDEN / f"{name}.bin").read_bytes()
    assert any(check(one, data) is None for one in FORMS[form]) == loads


@attack
@given(st.binary(max_size=256))
def test_random_bytes_are_taken_or_refused_with_a_reason(data: bytes) -> None:
    for name in ("value", "named_values", "guest_frame", "host_frame", "enter_turn", "archive", "mount_path"):
        assert check(name, data) != ""
    assert check("exit_turn", data, 0) != ""
    assert check("url_rule", data, b"GET", data) != ""


@attack
@given(testing.values())
def test_value_that_the_package_encodes_passes_and_comes_back(value: Any) -> None:
    data = _native.encode_value(value)
    assert check("value", data) is None
    back = _native.decode_value(data)
    # Sets have no order, and NaN in one equals nothing: their bytes are compared by length.
    assert same(back, value) or len(_native.encode_value(back)) == len(data)


@attack
@given(testing.mutations(testing.values().map(_native.encode_value)))
def test_value_refused_by_the_check_is_refused_by_the_package(data: bytes) -> None:
    if check("value", data) is not None:
        with pytest.raises(Exception, match=r".") as caught:
            _native.decode_value(data)
        assert type(caught.value).__name__ == "ProtocolError"


@attack
@given(testing.mutations(testing.frames()))
def test_mutated_frame_is_taken_or_refused_with_a_reason(data: bytes) -> None:
    assert check("guest_frame", data) != ""
    assert check("host_frame", data) != ""


@attack
@given(testing.turns(seq=7))
def test_turn_with_another_number_is_refused(turn: bytes) -> None:
    if check("exit_turn", turn, 7) is None:
        assert check("exit_turn", turn, 8) == "frame answers sequence number 7, not 8"


@attack
@given(testing.guest_paths())
def test_path_that_can_be_mounted_has_plain_names_outside_of_the_guests_own(path: bytes) -> None:
    if check("mount_path", path) is None:
        root, first, *rest = path.split(b"/")
        assert root == b""
        assert first not in (b"proc", b"output", b"dev", b"etc", b"lib", b"python", b"sys", b"usr", b"bin")
        assert path != b"/tmp"
        assert not {b"", b".", b".."} & {first, *rest}
        assert b"\0" not in path


def segments(url: str) -> list[str]:
    """Names of the path that is fetched, as the URL Standard (4.4) resolves dots, encoded dots and backslashes."""
    left: list[str] = []
    for name in re.split(r"[?#]", url)[0].replace("\\", "/").split("/")[3:]:
        dots = name.lower().replace("%2e", ".")
        if dots == "..":
            del left[-1:]
        elif dots != ".":
            left.append(name)
    return left


@attack
@given(testing.urls())
@example("https://example.org/prefix/a/%2e%2e")
@example("https://example.org/prefix/%2e%2E/a")
@example("https://example.org/prefix/%2f/..")
def test_url_that_a_rule_allows_is_below_its_prefix(url: str) -> None:
    if check("url_rule", b"https://example.org/prefix", b"GET", url.encode()) is None:
        assert url.lower().startswith(("https://example.org/", "https://example.org:443/"))
        assert "@" not in url.split("/")[2]
        first, *rest = segments(url)
        assert first == "prefix"
        assert not [name for name in rest if re.search("%2f|%5c|%252e|^[.][.];", name, re.IGNORECASE)]
