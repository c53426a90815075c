"""Traced system calls as values and as lines, without a VM."""

import datetime
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hypercell
from hypercell import _trace

NOON = datetime.datetime(2030, 1, 2, 12, tzinfo=datetime.timezone.utc)
numbers = st.integers(0, 2**64 - 1)


def call_of(name="openat", arguments=(), result=0):
    return hypercell.Syscall(
        run=1,
        thread=2,
        number=257,
        name=name,
        arguments=arguments,
        result=result,
        time=NOON,
        took_s=0.0000125,
    )


@pytest.mark.parametrize(
    ("arguments", "result", "shown"),
    [
        ((0xFFFFFF9C, b"/tmp/a", 0x80000), 3, '[2] openat(-100, "/tmp/a", 524288) = 3 <0.000013>'),
        ((2**64 - 100, b""), -2, '[2] openat(-100, "") = -1 ENOENT <0.000013>'),
        ((), -4095, "[2] openat() = -1 errno 4095 <0.000013>"),
        ((0x7F0000000000,), 0x7F0000000000, "[2] openat(0x7f0000000000) = 0x7f0000000000 <0.000013>"),
        ((0,), None, "[2] openat(0) = ? <0.000013>"),
        ((b'a"b\\c\n\x1b[31m\xff',), -5000, r'[2] openat("a\"b\\c\x0a\x1b[31m\xff") = -5000 <0.000013>'),
        ((b"a" * 256,), 0, f'[2] openat("{"a" * 256}"...) = 0 <0.000013>'),
    ],
)
def test_call_is_shown_as_a_line_of_strace(arguments, result, shown):
    assert str(call_of(arguments=arguments, result=result)) == shown


@given(
    arguments=st.lists(numbers | st.binary(max_size=256), max_size=6),
    result=st.none() | st.integers(-(2**63), 2**63 - 1),
)
def test_line_is_printable_whatever_the_guest_says(arguments, result):
    assert all(" " <= char <= "~" for char in str(call_of(arguments=tuple(arguments), result=result)))


@pytest.mark.parametrize(("result", "error"), [(-38, "ENOSYS"), (0, None), (None, None), (-4096, None)])
def test_error_is_the_name_of_a_negative_result(result, error):
    assert call_of(result=result).error == error


@given(time_ns=numbers, took_ns=numbers)
def test_any_time_that_the_guest_claims_is_a_time(time_ns, took_ns):
    heard = []
    _trace.SyscallLog(heard.append).call(1, 1, 39, "getpid", (), 1, time_ns, took_ns)
    assert heard[0].time.year < 2600


async def on_syscall(_call):
    """Nobody would await it."""


@pytest.mark.parametrize("wrong", [1, "stderr", None, on_syscall])
def test_what_cannot_hear_of_calls_is_refused(wrong):
    with pytest.raises(hypercell.PolicyError, match="trace_syscalls must be"):
        _trace.check_trace(wrong)
    with pytest.raises(hypercell.PolicyError, match="trace_syscalls must be"):
        hypercell.AsyncSandbox(trace_syscalls=wrong)


def test_lines_and_the_limit_go_to_standard_error_and_never_to_standard_output(monkeypatch, capsys):
    log = _trace.trace_of(True)
    log.call(1, 1, 39, "getpid", (), 1, 0, 0)
    log.limit_reached(5)
    monkeypatch.setattr(sys, "stderr", None)
    log.call(1, 1, 39, "getpid", (), 2, 0, 0)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "[1] getpid() = 1 <0.000000>",
        "hypercell: the run made 5 system calls; the next ones are not traced",
    ]
