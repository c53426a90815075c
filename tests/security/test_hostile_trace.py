"""A guest that lies about its system calls: what is no such call ends its run, what is one is shown as text.

Evidence: the frames come from a guest that is played, through the real decoder and the real binding, while the
sandbox has system calls traced.
"""

import pytest

pytest.importorskip("cffi", reason="hypercell[testing] is not installed")

import hypercell
from hypercell import testing

# Making a sandbox looks whether the machine has a hypervisor, though these use none.
pytestmark = pytest.mark.vm
SYSCALL, RUN_DONE = 0x185, 0x104
GOOD = {"tid": b"\x01", "nr": b"\x02", "args": b"\x80", "result": b"\x00", "began": b"\x00", "took": b"\x00"}
HUGE = b"\x1b" + b"\xff" * 8


def body(**changed):
    """A body with keys changed, or left out where they are None."""
    keys = {key: value for key, value in {**GOOD, **changed}.items() if value is not None}
    text = b"".join(bytes([0x60 | len(key)]) + key.encode() + value for key, value in keys.items())
    return bytes([0xA0 | len(keys)]) + text


def heard_of(*bodies, hears=True):
    """Runs a guest that says this and ends; returns what was heard of it."""
    said = iter(bodies)
    heard = []

    def play(turn):
        seq = testing.turn_number(turn)
        for one in said:
            return testing.turn_of(testing.frame_of(SYSCALL, one, seq=seq))
        return testing.turn_of(testing.frame_of(RUN_DONE, b"\xa1evalue\x07", seq=seq))

    guest = testing.RawGuest(play=play)
    with guest.sandbox(trace_syscalls=heard.append if hears else False) as box:
        assert guest.attack(box).value == 7
    return heard


WRONG = {
    "seven arguments": body(args=b"\x87" + b"\x00" * 7),
    "four billion arguments": body(args=b"\x9a\xff\xff\xff\xff"),
    "2**64 arguments": body(args=b"\x9b" + b"\xff" * 8),
    "a text of 257 bytes": body(args=b"\x81\x59\x01\x01" + b"a" * 257),
    "a text that claims four gigabytes": body(args=b"\x81\x5a\xff\xff\xff\xff"),
    "a text of characters": body(args=b"\x81\x61a"),
    "a negative argument": body(args=b"\x81\x20"),
    "a list as an argument": body(args=b"\x81\x80"),
    "a negative number": body(nr=b"\x20"),
    "a result above 63 bits": body(result=HUGE),
    "a result below 63 bits": body(result=b"\x3b" + b"\xff" * 8),
    "a result that is a text": body(result=b"\x60"),
    "a thread that is none": body(tid=b"\xf6"),
    "no arguments": body(args=None),
    "no result": body(result=None),
    "another key": body(path=b"\x40"),
}


@pytest.mark.parametrize("name", WRONG)
def test_frame_that_is_no_system_call_ends_the_run(name):
    with pytest.raises(hypercell.ProtocolError):
        heard_of(WRONG[name])


def test_guest_that_tells_of_calls_unasked_is_hostile():
    with pytest.raises(hypercell.ProtocolError, match="Syscall"):
        heard_of(body(), hears=False)


def test_claims_at_their_limits_are_shown_as_text():
    text = b"\x1b]0;title\x07\r\n\xe2\x80" * 18 + b"\xff" * 4
    args = b"\x86" + HUGE * 5 + b"\x59\x01\x00" + text
    (call,) = heard_of(body(tid=HUGE, nr=HUGE, args=args, began=HUGE, took=HUGE))
    assert (call.thread, call.number, call.name) == (2**64 - 1, 2**64 - 1, f"syscall_{2**64 - 1}")
    assert call.arguments[:5] == (2**64 - 1,) * 5
    assert all(" " <= char <= "~" for char in str(call))


def test_numbers_are_named_by_the_host():
    heard = heard_of(body(nr=b"\x19\x01\x01"), body(nr=b"\x19\xff\xff"), body(result=b"\xf6"))
    assert [call.name for call in heard] == ["openat", "syscall_65535", "open"]
    assert heard[2].result is None
