"""Output as it is written: callbacks, streams, and what they may do to a run."""

import asyncio
import threading
import time

import pytest

import hypercell
from hypercell import AsyncSandbox, Limits, OutputEvent, Sandbox

pytestmark = pytest.mark.usefixtures("hypercell_with_image")


def collect(events, stream):
    return "".join(event.text for event in events if event.stream == stream)


def test_output_comes_while_the_code_runs(make_sandbox):
    times = []
    make_sandbox().run(
        "import time\nfor n in range(3):\n    print(n)\n    time.sleep(0.15)",
        on_output=lambda event: times.append((event, time.monotonic())),
    )
    assert [event for event, _ in times] == [OutputEvent("stdout", f"{n}\n") for n in range(3)]
    assert times[1][1] - times[0][1] > 0.1
    assert times[2][1] - times[1][1] > 0.1


@pytest.mark.gate("Output", aspect="allowed")
def test_events_together_are_the_output_of_the_result(make_sandbox):
    code = """
import os, sys
for n in range(200):
    print("stdout é \U0001f600" * n)
    print("stderr", n, file=sys.stderr)
print("no end of line", end="")
os.write(1, b"\\xff\\xc3")
os.write(1, b"\\xa9 end \\xe2\\x82")
"""
    events = []
    result = make_sandbox(limits=Limits(output_bytes=8 << 20)).run(code, on_output=events.append)
    assert len(events) > 10
    assert all(event.text for event in events)
    assert collect(events, "stdout") == result.stdout
    assert collect(events, "stderr") == result.stderr
    assert "\ufffdé end \ufffd" in result.stdout


def test_events_end_where_the_limit_is(make_sandbox):
    events = []
    with pytest.raises(hypercell.OutputLimitError) as raised:
        make_sandbox(limits=Limits(output_bytes=10)).run(
            "print('a' * 6)\nprint('b' * 25)", on_output=events.append
        )
    assert collect(events, "stdout") == raised.value.result.stdout == "aaaaaa\nbbb"


def test_what_a_listener_raises_ends_the_run_and_is_raised(make_sandbox):
    class StopError(Exception):
        pass

    def stop(event):
        raise StopError(event.text)

    box = make_sandbox()
    with pytest.raises(StopError, match="first"):
        box.run("print('first')\nprint('second')", on_output=stop)
    assert box.run("1").value == 1


def test_listener_runs_in_the_context_of_the_caller_and_may_cancel(make_sandbox):
    box = make_sandbox()
    threads = []

    def cancel(_event):
        threads.append(threading.current_thread())
        assert box.cancel()

    with pytest.raises(hypercell.RunCancelledError) as raised:
        box.run("print('one')\nwhile True: pass", on_output=cancel)
    assert raised.value.result.stdout == "one\n"
    assert threads[0] is not threading.current_thread()
    assert box.run("1").value == 1


def test_listener_that_hangs_does_not_outlive_the_limit(make_sandbox):
    release = threading.Event()
    box = make_sandbox(limits=Limits(wall_time_s=0.3))
    started = time.monotonic()
    with pytest.raises(hypercell.TimeLimitError):
        box.run("print('x')", on_output=lambda _: release.wait(20))
    assert time.monotonic() - started < 2
    release.set()
    assert box.run("1").value == 1


def test_listener_that_is_none_is_refused(make_sandbox):
    with pytest.raises(hypercell.PolicyError, match="on_output must be callable, got str"):
        make_sandbox().run("1", on_output="print")


def test_output_after_a_pause_goes_to_whoever_resumes():
    def approve() -> None:
        pass

    first, second = [], []
    with Sandbox(tools=[approve], pause_on=["approve"]) as box:
        box.run("print('before')\napprove()\nprint('after')", on_output=first.append)
        result = box.resume(None, on_output=second.append)
    assert (collect(first, "stdout"), collect(second, "stdout")) == ("before\n", "after\n")
    assert result.stdout == "before\nafter\n"


def test_async_listener_hears_on_the_loop_before_the_run_returns():
    async def main():
        loop, heard = asyncio.get_running_loop(), []

        def hear(event):
            assert asyncio.get_running_loop() is loop
            heard.append(event)

        async with AsyncSandbox() as box:
            await box.run("for n in range(5): print(n)", on_output=hear)
            assert collect(heard, "stdout") == "0\n1\n2\n3\n4\n"
            with pytest.raises(hypercell.PolicyError, match="on_output must be callable, got int"):
                await box.run("1", on_output=1)

    asyncio.run(main())


def test_stream_gives_events_and_the_result():
    async def main():
        async with AsyncSandbox() as box:
            stream = box.stream("import sys\nprint('a')\nprint('b', file=sys.stderr)\nx", inputs={"x": 5})
            with pytest.raises(RuntimeError, match="the run is not over"):
                _ = stream.result
            async with stream as events:
                heard = [event async for event in events]
                assert (collect(heard, "stdout"), collect(heard, "stderr")) == ("a\n", "b\n")
                assert [event async for event in events] == []
            assert stream.result.value == 5
            with pytest.raises(RuntimeError, match="for one run"):
                async with stream:
                    pass

    asyncio.run(main())


def test_stream_raises_what_the_run_raises():
    async def main():
        async with AsyncSandbox(limits=Limits(wall_time_s=0.3)) as box:
            async with box.stream("print('a')\nwhile True: pass") as events:
                assert (await anext(events)).text == "a\n"
                with pytest.raises(hypercell.TimeLimitError):
                    await anext(events)
            with pytest.raises(hypercell.TimeLimitError):
                _ = events.result

    asyncio.run(main())


def test_leaving_a_stream_stops_its_run():
    async def main():
        async with AsyncSandbox() as box:
            async with box.stream("print('a')\nwhile True: pass") as events:
                async for event in events:
                    assert event.text == "a\n"
                    break
            with pytest.raises(RuntimeError, match="the run is not over"):
                _ = events.result
            assert (await box.run("1")).value == 1

    started = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - started < 5
