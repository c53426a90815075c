"""`AsyncSandbox` on real micro-VMs: many at once on one loop, which never stops, and cancellation at any moment."""

import asyncio
import time

import pytest

import hypercell


async def double(n: int) -> int:
    """Doubles a number."""
    await asyncio.sleep(0.01)
    return n * 2


def ticking(work):
    """Runs a coroutine and returns what it returns, and the longest time for which the loop ran nothing else."""

    async def main():
        gaps = [0.0]

        async def tick():
            last = time.perf_counter()
            while True:
                await asyncio.sleep(0.005)
                now = time.perf_counter()
                gaps.append(now - last)
                last = now

        ticker = asyncio.create_task(tick())
        try:
            return await work, max(gaps)
        finally:
            ticker.cancel()

    return asyncio.run(main())


@pytest.mark.usefixtures("hypercell_with_image")
def test_run_returns_value_output_and_error_as_the_other_sandbox_does():
    async def main():
        async with hypercell.AsyncSandbox(tools=[double]) as box:
            good = await box.run("print('text')\ndouble(n=x) + 1", inputs={"x": 4})
            bad = await box.run("1 / 0", filename="mine.py")
            limited = hypercell.AsyncSandbox(limits=hypercell.Limits(output_bytes=10))
            with pytest.raises(hypercell.OutputLimitError):
                await limited.run("print('x' * 100)")
            await limited.aclose()
            return good, bad

    good, bad = asyncio.run(main())
    assert (good.value, good.stdout, good.usage.tool_calls) == (9, "text\n", 1)
    assert (bad.error.type, bad.error.line) == ("ZeroDivisionError", 1)
    assert 'File "mine.py"' in bad.error.traceback


@pytest.mark.usefixtures("hypercell_with_image")
def test_many_sandboxes_run_at_once_and_the_loop_goes_on():
    async def one(n):
        async with hypercell.AsyncSandbox(tools=[double]) as box:
            code = (
                "import time\nend = time.monotonic() + 0.05\nwhile time.monotonic() < end: pass\ndouble(n=n)"
            )
            return (await box.run(code, inputs={"n": n})).value

    values, longest_s = ticking(asyncio.wait_for(gather(*map(one, range(12))), 60))
    assert values == [n * 2 for n in range(12)]
    assert longest_s < 0.5


async def gather(*awaitables):
    return await asyncio.gather(*awaitables)


@pytest.mark.usefixtures("hypercell_with_image")
@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import time\ntime.sleep(60)",
        "hang()",
        "9 ** 9 ** 9",
        "while True: print('x' * 10)",
    ],
)
def test_timeout_stops_whatever_the_guest_does_and_the_sandbox_goes_on(code):
    async def hang():
        await asyncio.sleep(60)

    async def main():
        limits = hypercell.Limits(output_bytes=1 << 40)
        async with hypercell.AsyncSandbox(tools=[hang], limits=limits) as box:
            await box.run("1")
            before = time.perf_counter()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(box.run(code), 0.2)
            took_s = time.perf_counter() - before
            return took_s, (await box.run("6 * 7")).value

    (took_s, value), longest_s = ticking(main())
    assert value == 42
    assert took_s < 1.5
    assert longest_s < 0.5


@pytest.mark.usefixtures("hypercell_with_image")
def test_kept_state_stays_from_run_to_run_also_on_another_loop():
    box = hypercell.AsyncSandbox(keep_state=True)
    assert asyncio.run(box.run("x = 5")).value is None
    assert asyncio.run(box.run("x + 1")).value == 6
    asyncio.run(box.reset())
    assert asyncio.run(box.run("x")).error.type == "NameError"
    asyncio.run(box.aclose())


@pytest.mark.usefixtures("hypercell_with_image")
def test_time_limit_covers_async_tools():
    async def hang():
        await asyncio.sleep(60)

    async def main():
        limits = hypercell.Limits(wall_time_s=0.3)
        async with hypercell.AsyncSandbox(tools=[hang], limits=limits) as box:
            with pytest.raises(hypercell.TimeLimitError) as caught:
                await box.run("print('calling')\nhang()")
            return caught.value, (await box.run("1")).value

    error, value = asyncio.run(main())
    assert (error.tool, error.result.stdout, value) == ("hang", "calling\n", 1)


@pytest.mark.usefixtures("hypercell_with_image")
def test_tools_reach_only_what_was_given():
    async def main():
        events = []
        async with hypercell.AsyncSandbox(tools=[double], on_audit=events.append) as box:
            result = await box.run("call_tool('secret')")
        return result, [event.event for event in events]

    result, events = asyncio.run(main())
    assert "no tool is named" in result.error.message
    assert events == ["sandbox_made", "run_started", "tool_denied", "run_ended", "sandbox_closed"]
