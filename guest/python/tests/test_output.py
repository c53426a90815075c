"""Standard streams: what is printed arrives, in order, in frames neither too many nor too late."""

import pytest


def outputs(guest):
    return [body for name, body in guest.frames if name == "Output"]


def test_output_arrives_on_its_stream(guest):
    done = guest.run("import sys\nprint('out é')\nprint('err', file=sys.stderr)\n0")
    assert (done.out, done.err) == ("out é\n", "err\n")


def test_each_line_is_sent_at_once(guest):
    guest.run("print('a')\nprint('b', 'c')\nprint('half', end='')\nprint(' and half')")
    assert [frame["data"] for frame in outputs(guest)] == [b"a\n", b"b c\n", b"half and half\n"]


def test_line_without_end_is_sent_at_the_end(guest):
    done = guest.run("print('a', end='')\n1 / 0")
    assert done.out == "a"


def test_text_on_stderr_is_sent_without_waiting_for_a_line(guest):
    guest.run("import sys\nsys.stderr.write('a')\ncall_tool('x')", {"x": lambda: 1})
    assert [name for name, _ in guest.frames] == ["Ready", "Output", "ToolCall", "RunDone"]


def test_output_is_sent_before_a_tool_call_and_on_flush(guest):
    code = (
        "import sys\nprint('a', end='')\ncall_tool('x')\nprint('b', end='', flush=True)\nprint('c', end='')"
    )
    guest.run(code, {"x": lambda: 1})
    assert [(name, body.get("data")) for name, body in guest.frames[1:-1]] == [
        ("Output", b"a"),
        ("ToolCall", None),
        ("Output", b"b"),
        ("Output", b"c"),
    ]


def test_flood_of_lines_comes_in_few_frames(guest):
    done = guest.run("for n in range(20_000): print(n)")
    assert done.out == "".join(f"{n}\n" for n in range(20_000))
    assert len(outputs(guest)) < 2000


def test_large_text_comes_in_chunks(guest):
    done = guest.run("print('é' * 400_000, end='')")
    assert done.out == "é" * 400_000
    assert max(len(frame["data"]) for frame in outputs(guest)) == 65536


def test_slow_lines_after_a_flood_are_sent_at_once_again(guest):
    slow = "for n in range(12): print('slow'); time.sleep(0.003)"
    code = f"import time\nfor n in range(500): print(n)\ntime.sleep(0.1)\n{slow}"
    guest.run(code)
    assert [frame["data"] for frame in outputs(guest)][-3:] == [b"slow\n"] * 3


def test_streams_look_like_those_of_the_interpreter(guest):
    code = """
import io, sys
def look(s):
    return [type(s) is io.TextIOWrapper, s.encoding, s.errors, s.fileno(), s.isatty(), s.name, s.mode,
            s.buffer.fileno(), s.readable(), s.writable(), s.seekable(), s.closed]
[look(s) for s in (sys.stdin, sys.stdout, sys.stderr)] + [sys.__stdout__ is sys.stdout]
"""
    assert guest.value(code) == [
        [True, "utf-8", "surrogateescape", 0, False, "<stdin>", "r", 0, True, False, False, False],
        [True, "utf-8", "surrogateescape", 1, False, "<stdout>", "w", 1, False, True, False, False],
        [True, "utf-8", "backslashreplace", 2, False, "<stderr>", "w", 2, False, True, False, False],
        True,
    ]


def test_standard_input_is_at_its_end(guest):
    assert guest.value("import sys\n[sys.stdin.read(), list(sys.stdin), sys.stdin.buffer.read(5)]") == [
        "",
        [],
        b"",
    ]
    done = guest.run("input('question? ')")
    assert (done["err"]["type"], done.out) == ("EOFError", "question? ")


def test_surrogates_cannot_be_printed_and_are_escaped_on_stderr(guest):
    done = guest.run("import sys\nprint('\\ud800', file=sys.stderr)\nprint('\\ud800')")
    assert (done["err"]["type"], done.err) == ("UnicodeEncodeError", "\\ud800\n")


@pytest.mark.parametrize(
    "data", ["b'a'", "bytearray(b'a')", "memoryview(b'a')", "__import__('array').array('B', b'a')"]
)
def test_bytes_go_through_the_buffer(guest, data):
    done = guest.run(f"import sys\nsys.stdout.buffer.write({data})")
    assert (done, done.out) == ({"value": 1}, "a")


def test_text_is_no_bytes(guest):
    assert guest.error("import sys\nsys.stdout.buffer.write('a')")[0] == "TypeError"


def test_stream_put_in_front_is_flushed_at_the_end(guest):
    code = "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, 'utf-8')\nprint('through')"
    assert guest.run(code).out == "through\n"
    assert guest.run("print('next')").out == "next\n"


def test_redirected_output_does_not_arrive(guest):
    done = guest.run("import io, sys\nsys.stdout = io.StringIO()\nprint('x')\nsys.stdout.getvalue()")
    assert (done, done.out) == ({"value": "x\n"}, "")
    assert guest.run("print('next')").out == "next\n"


def test_closed_stream_raises_as_any_other(guest):
    assert guest.error("import sys\nsys.stdout.close()\nprint(1)") == (
        "ValueError",
        "I/O operation on closed file.",
    )
    assert guest.run("print('next')").out == "next\n"


def test_finalizer_that_prints_in_the_middle_of_an_exchange_loses_nothing(guest):
    code = """
import gc
class Chatty:
    def __del__(self):
        print("deleted")
gc.set_threshold(1)
for n in range(300):
    chatty = Chatty()
    chatty.me = chatty
    del chatty
    print(n)
gc.set_threshold(700)
gc.collect()
0
"""
    lines = guest.run(code).out.splitlines()
    assert lines.count("deleted") == 300
    assert [line for line in lines if line != "deleted"] == [str(n) for n in range(300)]


def test_trace_function_that_prints_harms_nothing(guest):
    code = """
import sys
def trace(frame, event, arg):
    print(event, end=" ")
    return trace
sys.settrace(trace)
call_tool("x")
sys.settrace(None)
1
"""
    assert guest.value(code, {"x": lambda: 1}) == 1


def test_warnings_of_the_compiler_go_to_stderr_once(guest):
    err = guest.run("x = 5\nx is 5").err
    assert err.splitlines()[0].startswith("<code>:2: SyntaxWarning: ")
    assert err.count("SyntaxWarning") == 1
