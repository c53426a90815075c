"""Code that speaks to the host itself, past guest Python: every frame that breaks the rules ends that run only.

Evidence: the frames go through the real device and the real decoder. The guest's kernel may refuse a frame before
it leaves the VM; then the code sees an OSError.
"""

import contextlib

import pytest

pytest.importorskip("cffi", reason="hypercell[testing] is not installed")

import hypercell
from hostile_frames import FRAMES, HTTP_CLOSE, MAX_FRAME_BYTES, TOOL_CALL, frame, http
from hypercell import testing

# How a run may end whose code broke the rules of the wire.
ENDINGS = (hypercell.ProtocolError, hypercell.LimitError, hypercell.GuestCrashError)
EXCHANGE = testing.RawGuest(python="exchange(frame)")


@pytest.mark.parametrize("name", FRAMES)
def test_frame_that_breaks_the_rules_ends_only_its_run(make_sandbox, name):
    pinged = []
    box = make_sandbox(tools={"ping": lambda: pinged.append(1)}, limits=hypercell.Limits(wall_time_s=2))
    with contextlib.suppress(*ENDINGS):
        assert not isinstance(EXCHANGE.attack(box, inputs={"frame": FRAMES[name]}).value, bytes)
    assert pinged == []
    assert box.run("[ping(), 1]").value == [None, 1]


def test_frame_with_any_sequence_number_calls_no_unknown_tool(make_sandbox):
    box = make_sandbox(tools={"ping": lambda: 1}, limits=hypercell.Limits(wall_time_s=5))
    frames = [frame(TOOL_CALL, b"\xa4bid\x07dnamefsecretdargs\xa0dline\xf6", seq=seq) for seq in range(64)]
    guest = testing.RawGuest(python="for one in frames: exchange(one)")
    with contextlib.suppress(*ENDINGS):
        guest.attack(box, inputs={"frames": frames})
    assert box.run("ping()").value == 1


@pytest.mark.parametrize("size", [MAX_FRAME_BYTES - 16, MAX_FRAME_BYTES, 64 << 20])
def test_frame_of_the_largest_size_or_above_ends_only_its_run(make_sandbox, size):
    box = make_sandbox(limits=hypercell.Limits(wall_time_s=20))
    head = "b'HCEL' + bytes([1, 0, 4, 1]) + size.to_bytes(4, 'little') + bytes(4)"
    guest = testing.RawGuest(python=f"exchange({head} + bytes(size))")
    with contextlib.suppress(*ENDINGS):
        assert not isinstance(guest.attack(box, inputs={"size": size}).value, bytes)
    assert box.run("1").value == 1


def test_request_past_guest_python_is_decided_like_any_other(make_sandbox, http_server):
    url = f"{http_server.url}/echo".encode()
    text = bytes([0x78, len(url)]) + url
    frames = [
        http(url=text),
        http(url=text, method=b"gCONNECT"),
        http(url=text, headers=b"\x81\x82\x64host\x44evil"),
        http(url=text, headers=b"\x81\x82\x61x\x44\r\nab"),
        http(url=b"\x78\x18http://169.254.169.254/x"),
    ]
    guest = testing.RawGuest(python="[(exchange(one), exchange(close))[0] for one in frames]")
    close = frame(HTTP_CLOSE, b"\xa1bid\x01")
    box = make_sandbox(domains=[(http_server.url, "GET")])
    answers = guest.attack(box, inputs={"frames": frames, "close": close}).value
    kinds = [int.from_bytes(answer[6:8], "little") for answer in answers]
    assert kinds == [0x0020, 0x0022, 0x0020, 0x0022, 0x0022]
    hosts = [
        value
        for *_, headers, _ in http_server.asked
        for name, value in headers.items()
        if name.lower() == "host"
    ]
    assert hosts == [f"127.0.0.1:{http_server.port}"] * 2
    denied = guest.attack(make_sandbox(), inputs={"frames": frames, "close": close}).value
    assert [int.from_bytes(answer[6:8], "little") for answer in denied] == [0x0022] * 5
    assert len(http_server.asked) == 2
