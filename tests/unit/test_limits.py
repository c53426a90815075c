"""`Limits`: its defaults, and what it refuses with which words."""

import dataclasses

import pytest

import hypercell
from hypercell import Limits

MIB = 1 << 20


def test_defaults_are_the_documented_ones():
    assert dataclasses.asdict(Limits()) == {
        "wall_time_s": 30.0,
        "guest_time_s": None,
        "memory_bytes": 128 * MIB,
        "output_bytes": MIB,
        "tool_calls": 1000,
        "tool_argument_bytes": MIB,
        "tool_result_bytes": 16 * MIB,
        "result_bytes": 16 * MIB,
        "code_bytes": MIB,
        "value_depth": 64,
        "http_requests": 1000,
        "http_request_bytes": 16 * MIB,
        "http_response_bytes": 64 * MIB,
        "http_time_s": 30.0,
        "file_read_bytes": 16 << 30,
        "file_write_bytes": 1 << 30,
        "open_files": 256,
        "file_count": 10_000,
        "output_file_bytes": 32 * MIB,
        "output_total_bytes": 64 * MIB,
        "output_file_count": 1000,
    }


def test_repr_can_be_pasted_back():
    limits = Limits(wall_time_s=None, tool_calls=5)
    assert eval(repr(limits)) == limits


def test_limits_do_not_change_and_compare_by_value():
    limits = Limits()
    with pytest.raises(dataclasses.FrozenInstanceError):
        limits.tool_calls = 5
    assert (limits, hash(limits)) == (Limits(), hash(Limits()))


def test_limits_are_given_by_name_only():
    with pytest.raises(TypeError):
        Limits(5)


@pytest.mark.parametrize(
    ("limit", "low", "high"),
    [
        ("memory_bytes", 16 * MIB, 8192 * MIB),
        ("output_bytes", 0, 1 << 40),
        ("tool_calls", 0, 1 << 40),
        ("tool_argument_bytes", 1, 16 * MIB),
        ("tool_result_bytes", 1, 16 * MIB),
        ("result_bytes", 1, 16 * MIB),
        ("code_bytes", 1, MIB),
        ("value_depth", 1, 64),
        ("http_requests", 0, 1 << 40),
        ("http_request_bytes", 0, 1 << 30),
        ("http_response_bytes", 0, 1 << 40),
        ("file_read_bytes", 0, 1 << 50),
        ("file_write_bytes", 0, 1 << 50),
        ("open_files", 0, 1024),
        ("file_count", 0, 1 << 40),
        ("output_file_bytes", 0, 1 << 30),
        ("output_total_bytes", 0, 1 << 30),
        ("output_file_count", 0, 100_000),
    ],
)
def test_count_holds_at_both_edges_and_is_refused_beyond(limit, low, high):
    for value in (low, high):
        assert getattr(Limits(**{limit: value}), limit) == value
    for value in (low - 1, high + 1):
        with pytest.raises(hypercell.PolicyError) as caught:
            Limits(**{limit: value})
        assert str(caught.value) == f"{limit} must be {low} to {high}, got {value}"


@pytest.mark.parametrize("value", ["5", 1.0, None, True])
def test_count_that_is_no_int_is_refused(value):
    with pytest.raises(hypercell.PolicyError) as caught:
        Limits(tool_calls=value)
    assert str(caught.value) == f"tool_calls must be int, got {type(value).__name__}"


@pytest.mark.parametrize("value", [0.001, 5, 366 * 24 * 3600, None])
def test_wall_time_that_can_hold_is_taken(value):
    assert Limits(wall_time_s=value).wall_time_s == value


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 366 * 24 * 3600 + 1])
def test_wall_time_out_of_range_is_refused(value):
    with pytest.raises(hypercell.PolicyError) as caught:
        Limits(wall_time_s=value)
    assert str(caught.value) == f"wall_time_s must be above 0 and at most 31622400, got {value!r}"


@pytest.mark.parametrize("value", ["5", True, b"5"])
def test_wall_time_that_is_no_number_is_refused(value):
    with pytest.raises(hypercell.PolicyError) as caught:
        Limits(wall_time_s=value)
    assert str(caught.value) == f"wall_time_s must be a number of seconds or None, got {type(value).__name__}"


@pytest.mark.parametrize("value", [10**400, -(10**400)])
def test_number_that_is_too_large_for_a_float_is_refused(value):
    with pytest.raises(hypercell.PolicyError):
        Limits(wall_time_s=value)
