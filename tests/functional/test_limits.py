"""Limits: each one ends the run it is meant for, says so in its error, and leaves the sandbox usable."""

import contextlib
import time

import pytest

import hypercell

MIB = 1 << 20


def test_endless_loop_ends_at_the_time_limit(make_sandbox):
    box = make_sandbox(limits=hypercell.Limits(wall_time_s=0.5))
    before = time.monotonic()
    with pytest.raises(hypercell.TimeLimitError) as caught:
        box.run("print('looping', flush=True)\nwhile True: pass")
    took = time.monotonic() - before
    assert 0.5 <= took < 1.5
    error = caught.value
    assert (error.limit, error.maximum, error.unit) == ("wall_time_s", 0.5, "s")
    assert error.used >= 0.5
    assert error.result.stdout == "looping\n"
    assert box.run("1").value == 1


@pytest.mark.parametrize(
    "code",
    [
        "import os; r, w = os.pipe(); os.read(r, 1)",
        "import select, os; r, w = os.pipe(); select.select([r], [], [])",
    ],
)
def test_wait_that_nothing_in_the_vm_can_end_is_an_error_at_once(sandbox, code):
    result = sandbox.run(
        f"import errno\ntry:\n    {code}\nexcept OSError as error:\n    why = error.errno == errno.EDEADLK\nwhy"
    )
    assert result.value is True


@pytest.mark.gate("Sleep", aspect="at_limit")
@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(3600)",
        "import threading; threading.Event().wait()",
        "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
        "9 ** 9 ** 9",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "import signal; signal.pause()",
        "import ctypes; ctypes.CDLL(None).pause()",
        "import time\ndef f():\n    while True: time.sleep(0.001)\nf()",
    ],
)
def test_code_that_waits_or_works_for_ever_ends_at_the_time_limit(make_sandbox, code):
    box = make_sandbox(limits=hypercell.Limits(wall_time_s=0.5))
    before = time.monotonic()
    with pytest.raises(hypercell.TimeLimitError):
        box.run(code)
    assert time.monotonic() - before < 2
    assert box.run("1").value == 1


@pytest.mark.gate("Sleep", aspect="allowed")
def test_sleep_within_the_limit_is_no_error(make_sandbox):
    box = make_sandbox(limits=hypercell.Limits(wall_time_s=5))
    assert box.run("import time; time.sleep(0.3)\n'slept'").value == "slept"


def test_time_limit_is_for_each_run(make_sandbox):
    box = make_sandbox(limits=hypercell.Limits(wall_time_s=0.6), keep_state=True)
    for _ in range(4):
        assert box.run("import time; time.sleep(0.3)\n1").value == 1


@pytest.mark.parametrize(
    "bomb",
    [
        "data = []\nwhile True: data.append(bytes(1 << 20))",
        "x = 'x' * (1 << 34)",
        "data = [0]\nwhile True: data = data * 2",
        "data = {}\nn = 0\nwhile True:\n    data[n] = str(n) * 100\n    n += 1",
        "import mmap\nkept = [mmap.mmap(-1, 1 << 26) for _ in range(1000)]\nfor m in kept: m[:] = bytes(1 << 26)",
    ],
)
def test_memory_bomb_raises_memory_error_and_the_next_run_is_fine(make_sandbox, bomb):
    box = make_sandbox(limits=hypercell.Limits(memory_bytes=128 * MIB, wall_time_s=60))
    result = box.run(bomb)
    assert result.error.type in ("MemoryError", "OSError")
    assert box.run("len(bytes(1 << 20))").value == MIB


def test_code_goes_on_after_a_memory_error_it_caught(make_sandbox):
    box = make_sandbox(limits=hypercell.Limits(memory_bytes=128 * MIB, wall_time_s=60))
    code = """
data = []
try:
    while True:
        data.append(bytes(1 << 20))
except MemoryError:
    n = len(data)
    data = None
print('went on')
[n > 20, len(bytes(20 << 20))]
"""
    result = box.run(code)
    assert (result.value, result.stdout) == ([True, 20 * MIB], "went on\n")


def test_files_in_tmp_count_as_memory(make_sandbox):
    box = make_sandbox(limits=hypercell.Limits(memory_bytes=128 * MIB, wall_time_s=60))
    code = "with open('/tmp/big', 'wb') as f:\n    while True: f.write(bytes(1 << 20))"
    assert box.run(code).error.type in ("OSError", "MemoryError")
    assert box.run("1").value == 1


def test_memory_limit_is_not_reached_by_memory_that_is_given_back(make_sandbox):
    box = make_sandbox(limits=hypercell.Limits(memory_bytes=128 * MIB, wall_time_s=60))
    assert box.run("for _ in range(200): data = bytearray(20 << 20)\nlen(data)").value == 20 * MIB


def test_output_flood_ends_at_the_output_limit(make_sandbox):
    box = make_sandbox(limits=hypercell.Limits(output_bytes=100_000, wall_time_s=30))
    with pytest.raises(hypercell.OutputLimitError) as caught:
        box.run("while True: print('x' * 1000)")
    error = caught.value
    assert (error.limit, error.maximum, error.unit) == ("output_bytes", 100_000, "bytes")
    assert 0 < len(error.result.stdout) <= 100_000
    assert set(error.result.stdout) == {"x", "\n"}
    assert box.run("1").value == 1


@pytest.mark.gate("Output", aspect="at_limit")
def test_output_limit_holds_at_its_edge(make_sandbox):
    box = make_sandbox(limits=hypercell.Limits(output_bytes=1000))
    assert len(box.run("print('x' * 999)").stdout) == 1000
    with pytest.raises(hypercell.OutputLimitError):
        box.run("print('x' * 1000)")
    with pytest.raises(hypercell.OutputLimitError):
        box.run("import sys\nprint('x' * 600)\nprint('y' * 600, file=sys.stderr)")


@pytest.mark.gate("ToolCall", aspect="at_limit")
def test_tool_calls_end_at_their_limit(make_sandbox):
    calls = []
    box = make_sandbox(tools={"ping": lambda: calls.append(1)}, limits=hypercell.Limits(tool_calls=3))
    box.run("for _ in range(3): ping()").raise_for_error()
    with pytest.raises(hypercell.ToolLimitError) as caught:
        box.run("while True:\n    try:\n        ping()\n    except Exception: pass")
    assert (caught.value.limit, caught.value.maximum) == ("tool_calls", 3)
    assert len(calls) == 6
    assert box.run("1").value == 1


def test_tool_argument_larger_than_its_limit_raises_in_the_guest(make_sandbox):
    seen = []
    box = make_sandbox(
        tools={"take": lambda data: seen.append(len(data))},
        limits=hypercell.Limits(tool_argument_bytes=10_000),
    )
    # A map, a key of four characters, and bytes with a head of three.
    fits = 10_000 - 1 - 5 - 3
    box.run("print('before')\ntake(data=bytes(n))", inputs={"n": fits}).raise_for_error()
    result = box.run("print('before')\ntake(data=bytes(n))", inputs={"n": fits + 1})
    assert (result.error.type, result.stdout) == ("ToolError", "before\n")
    assert "arguments of 10001 bytes exceed tool_argument_bytes, which is 10000" in result.error.message
    assert seen == [fits]
    assert box.run("take(data=b'')\n1").value == 1


def test_tool_result_larger_than_its_limit_raises_in_the_guest(make_sandbox):
    box = make_sandbox(tools={"give": lambda n: bytes(n)}, limits=hypercell.Limits(tool_result_bytes=10_000))
    assert len(box.run("give(n=9_997)").value) == 9_997
    result = box.run("print('before')\ngive(n=9_998)")
    assert (result.error.type, result.stdout) == ("ToolError", "before\n")
    assert "10001" in result.error.message
    assert "tool_result_bytes" in result.error.message
    assert len(box.run("give(n=9_997)").value) == 9_997


def test_code_larger_than_its_limit_is_refused(make_sandbox):
    box = make_sandbox(limits=hypercell.Limits(code_bytes=1000))
    fits = "1" + " " * 999
    assert box.run(fits).value == 1
    with pytest.raises(hypercell.PolicyError):
        box.run(fits + " ")
    with pytest.raises(hypercell.PolicyError):
        box.run("'" + "é" * 500 + "'")


@pytest.mark.gate("RunDone", aspect="at_limit")
def test_value_larger_than_its_limit_is_an_error_of_the_run(make_sandbox):
    box = make_sandbox(limits=hypercell.Limits(result_bytes=10_000))
    assert len(box.run("bytes(9_997)").value) == 9_997
    result = box.run("print('before')\nbytes(9_998)")
    assert (result.value, result.error.type, result.stdout) == (None, "ValueNotSendableError", "before\n")
    assert "10000" in result.error.message
    assert len(box.run("bytes(9_997)").value) == 9_997


NEST = (
    "def nest(levels):\n    value = []\n    for _ in range(levels - 1): value = [value]\n    return value\n"
)


def nested(levels):
    value = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_result_of_a_run_is_as_deep_as_its_limit_and_a_level_more_ends_the_run(make_sandbox):
    box = make_sandbox(limits=hypercell.Limits(value_depth=5))
    result = box.run(NEST + "nest(5)")
    assert (result.value, result.usage.value_depth) == (nested(5), 5)
    with pytest.raises(hypercell.LimitError) as caught:
        box.run(NEST + "print('before')\nnest(6)")
    error = caught.value
    assert (error.limit, error.used, error.maximum, error.unit) == ("value_depth", 6, 5, "levels")
    assert str(error) == "6 levels exceed value_depth, which is 5"
    assert (error.result.stdout, error.result.usage.value_depth) == ("before\n", 6)
    assert box.run("1").value == 1


def test_arguments_and_results_of_tools_are_as_deep_as_the_limit(make_sandbox):
    seen = []
    tools = {"take": lambda value: seen.append(value), "give": nested}
    box = make_sandbox(tools=tools, limits=hypercell.Limits(value_depth=5))
    # The arguments are a dict, the first level.
    assert box.run(NEST + "take(value=nest(4))\nlen(give(levels=5))").usage.value_depth == 5
    assert seen == [nested(4)]
    result = box.run(NEST + "print('before')\ntake(value=nest(5))")
    assert (result.error.type, result.stdout) == ("ToolError", "before\n")
    assert "arguments of 6 levels exceed value_depth, which is 5" in result.error.message
    result = box.run("print('before')\ngive(levels=6)")
    assert (result.error.type, result.stdout) == ("ToolError", "before\n")
    assert "a tool result of 6 levels exceeds value_depth, which is 5" in result.error.message
    assert seen == [nested(4)]


def test_calls_beside_each_other_are_as_deep_as_the_limit(make_sandbox):
    box = make_sandbox(
        tools={"take": lambda value: len(value), "give": nested}, limits=hypercell.Limits(value_depth=5)
    )
    code = """
import asyncio
calls = [call_tool_async("take", value=nest(n)) for n in (4, 5)]
calls += [call_tool_async("give", levels=n) for n in (5, 6)]
[type(one).__name__ for one in await asyncio.gather(*calls, return_exceptions=True)]
"""
    assert box.run(NEST + code).value == ["int", "ToolError", "list", "ToolError"]


def test_inputs_are_as_deep_as_the_limit(make_sandbox):
    box = make_sandbox(limits=hypercell.Limits(value_depth=5), keep_state=True)
    box.run("kept = 1")
    assert box.run("value[0][0][0] == [] and kept", inputs={"value": nested(4)}).value == 1
    with pytest.raises(hypercell.ValueNotSendableError) as caught:
        box.run("1", inputs={"value": nested(5)})
    assert str(caught.value) == "inputs of 6 levels exceed value_depth, which is 5"
    assert box.run("kept").value == 1


def test_answer_of_a_paused_call_is_as_deep_as_the_limit(make_sandbox):
    box = make_sandbox(tools={"ask": lambda: None}, pause_on=["ask"], limits=hypercell.Limits(value_depth=5))
    box.run("ask()")
    with pytest.raises(
        hypercell.ValueNotSendableError, match="a tool result of 6 levels exceeds value_depth"
    ):
        box.resume(nested(6))
    assert box.resume(nested(5)).value == nested(5)


def test_sizes_of_code_and_values_are_reported(make_sandbox):
    box = make_sandbox(tools={"echo": lambda data: data})
    code = "echo(data=b''); echo(data=bytes(1000)); bytes(2000)  # é"
    usage = box.run(code).usage
    assert usage.code_bytes == len(code.encode())
    assert (usage.tool_argument_bytes, usage.tool_result_bytes, usage.result_bytes) == (1009, 1003, 2003)
    assert usage.value_depth == 1
    usage = box.run("echo(data=[[{}]])").usage
    assert usage.value_depth == 4


def test_every_limit_is_in_usage():
    limits = set(hypercell.Limits.__dataclass_fields__)
    reported = set(hypercell.Usage.__dataclass_fields__)
    # What a guest has at once is reported as its peak.
    assert limits - reported == {"memory_bytes"}
    assert "memory_peak_bytes" in reported


def test_value_nested_too_deeply_is_an_error_of_the_run(sandbox):
    build = "value = 1\nfor _ in range({}): value = [value]\nvalue"
    depth = 64
    result = sandbox.run(build.format(depth))
    assert result.error is None
    result = sandbox.run(build.format(depth + 1))
    assert result.error.type == "ValueNotSendableError"
    result = sandbox.run(build.format(100_000))
    assert result.error.type == "ValueNotSendableError"


def test_value_with_too_many_items_is_an_error_of_the_run(sandbox):
    assert len(sandbox.run("[None] * 999_999").value) == 999_999
    assert sandbox.run("[None] * 1_000_000").error.type == "ValueNotSendableError"


def test_int_with_too_many_digits_is_an_error_of_the_run(sandbox):
    assert sandbox.run("(1 << 8 * 65_536) - 1").value == (1 << 8 * 65_536) - 1
    assert sandbox.run("1 << 8 * 65_536").error.type == "ValueNotSendableError"


def test_deep_recursion_is_a_recursion_error(sandbox):
    assert sandbox.run("def f():\n    f()\nf()").error.type == "RecursionError"
    assert sandbox.run("1").value == 1


@pytest.mark.parametrize("first", ["print('x')", "call_tool('nothing')", "import time; time.sleep(0.001)"])
def test_memory_limit_holds_after_the_guest_spoke_to_the_host(make_sandbox, first):
    box = make_sandbox(tools={"nothing": lambda: None}, limits=hypercell.Limits(memory_bytes=48 << 20))
    assert box.run(f"{first}\nlen(bytearray(8 << 20))").value == 8 << 20
    assert box.run(f"{first}\nlen(bytearray(48 << 20))").error.type == "MemoryError"


def test_recursion_limit_raised_by_the_code_ends_without_harm_to_the_host(sandbox):
    code = "import sys\nsys.setrecursionlimit(10**9)\ndef f(n):\n    return f(n + 1)\nf(0)"
    with contextlib.suppress(hypercell.GuestCrashError, hypercell.TimeLimitError):
        # CPython itself loses the MemoryError now and then and raises SystemError in its place.
        assert sandbox.run(code).error.type in ("RecursionError", "MemoryError", "SystemError")
    assert sandbox.run("1").value == 1


def test_c_stack_overflow_ends_without_harm_to_the_host(sandbox):
    code = """
import sys
sys.setrecursionlimit(10**9)
class A:
    def __repr__(self):
        return repr(self)
repr(A())
"""
    with contextlib.suppress(hypercell.GuestCrashError, hypercell.TimeLimitError):
        assert sandbox.run(code).error.type in ("RecursionError", "MemoryError")
    assert sandbox.run("1").value == 1


def test_long_exception_text_is_shortened_in_the_middle(sandbox):
    error = sandbox.run("raise ValueError('start' + 'x' * 5_000_000 + 'end')").error
    assert len(error.message.encode()) <= 64 << 10
    assert (error.message[:5], error.message[-3:]) == ("start", "end")


def test_kept_state_lost_at_a_limit_is_an_error_until_reset(make_sandbox):
    box = make_sandbox(keep_state=True, limits=hypercell.Limits(wall_time_s=0.5))
    box.run("kept = 1")
    with pytest.raises(hypercell.TimeLimitError):
        box.run("while True: pass")
    with pytest.raises(hypercell.SandboxPoisonedError):
        box.run("kept")
    box.reset()
    assert box.run("'kept' in globals()").value is False


@pytest.mark.parametrize(
    "limits",
    [
        {"wall_time_s": 0},
        {"wall_time_s": -1},
        {"wall_time_s": float("nan")},
        {"memory_bytes": 0},
        {"memory_bytes": -5},
        {"output_bytes": -1},
        {"tool_calls": -1},
        {"code_bytes": 1 << 40},
        {"result_bytes": 1 << 40},
        {"wall_time_s": "5"},
        {"tool_calls": 1.5},
    ],
)
def test_limit_that_cannot_hold_is_refused(limits):
    with pytest.raises((hypercell.PolicyError, TypeError)):
        hypercell.Sandbox(limits=hypercell.Limits(**limits))


def test_time_inside_the_guest_alone_counts_for_its_limit(make_sandbox):
    def slow() -> None:
        """Takes its time on the host."""
        time.sleep(0.3)

    box = make_sandbox(tools=[slow], limits=hypercell.Limits(guest_time_s=0.3))
    result = box.run("import time\nslow(); slow(); time.sleep(0.3)\n5")
    assert result.value == 5
    assert result.usage.wall_time_s > 0.9
    assert result.usage.guest_time_s < 0.3


@pytest.mark.parametrize(
    "code",
    [
        "print('x')\nwhile True: pass",
        "print('x')\nwhile True: tick()",
        "print('x')\nimport asyncio\nasync def main():\n    while True: await call_tool_async('tick')\nawait main()",
    ],
)
def test_guest_that_runs_too_long_is_stopped_however_it_does(make_sandbox, code):
    def tick() -> None:
        """Does nothing."""

    box = make_sandbox(tools=[tick], limits=hypercell.Limits(guest_time_s=0.3, tool_calls=10_000_000))
    started = time.monotonic()
    with pytest.raises(hypercell.TimeLimitError) as raised:
        box.run(code)
    error = raised.value
    assert (error.limit, error.maximum, error.unit) == ("guest_time_s", 0.3, "s")
    assert 0.3 <= error.used < 0.6
    assert "the guest ran for 0.3" in str(error)
    assert "exceeds guest_time_s, which is 0.3 s" in str(error)
    assert error.result.stdout == "x\n"
    assert time.monotonic() - started < 3
    assert box.run("7").value == 7


def test_each_run_has_its_own_time_inside_the_guest(make_sandbox):
    box = make_sandbox(keep_state=True, limits=hypercell.Limits(guest_time_s=0.4))
    spin = "import time\nend = time.monotonic() + 0.25\nwhile time.monotonic() < end: pass\n1"
    assert [box.run(spin).value for _ in range(3)] == [1, 1, 1]


def test_time_inside_the_guest_counts_on_after_a_pause(make_sandbox):
    def approve() -> None:
        """Asks."""

    spin = "end = time.monotonic() + 0.2\nwhile time.monotonic() < end: pass\n"
    box = make_sandbox(tools=[approve], pause_on=["approve"], limits=hypercell.Limits(guest_time_s=0.3))
    box.run(f"import time\n{spin}approve()\n{spin}")
    snapshot = box.snapshot()
    for one in (box, hypercell.Sandbox.from_snapshot(snapshot, tools=[approve])):
        with pytest.raises(hypercell.TimeLimitError, match=r"guest_time_s, which is 0\.3 s"):
            one.resume(None)
        one.close()
