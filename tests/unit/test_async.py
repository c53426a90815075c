"""The awaiting side of a run: cancellation, deadlines, tools on the caller's loop. The guest is a generator."""

import asyncio
import contextlib
import contextvars
import gc
import os
import sys
import threading
import time
import weakref

import pytest

import hypercell
from hypercell import _image, _pool, _sandbox

sys.path.insert(0, os.path.dirname(__file__))  # noqa: PTH120
import fake_native


def program(function):
    """Registers a guest program; its name is the code that runs it."""
    fake_native.programs[function.__name__] = function
    return function


@program
def aio_value(_, **inputs):
    return inputs or 42
    yield


@program
def aio_spin(box):
    box.stdout = "spinning\n"
    box.spin()
    yield


@program
def aio_call(box, name="tool", times=1):
    box.stdout = "calling\n"
    answers = []
    for _ in range(times):
        answers.append((yield ("call", name, {})))
    return answers


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    monkeypatch.setattr(_image, "native", lambda: fake_native)
    monkeypatch.setattr(_pool, "native", lambda: fake_native)
    monkeypatch.setattr(_sandbox, "native", lambda: fake_native)
    monkeypatch.setattr(_image, "_defaults", [])


@contextlib.asynccontextmanager
async def making(tools=(), *, wall_time_s=30.0, **options):
    limits = hypercell.Limits(wall_time_s=wall_time_s)
    async with hypercell.AsyncSandbox(tools, limits=limits, **options) as box:
        yield box


class Ticker:
    """Measures the longest time for which the loop ran nothing."""

    async def __aenter__(self):
        self.longest_s = 0.0
        self._task = asyncio.create_task(self._tick())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_):
        self._task.cancel()

    async def _tick(self):
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.005)
            now = time.monotonic()
            self.longest_s, last = max(self.longest_s, now - last), now


async def hang():
    await asyncio.sleep(60)


def test_run_returns_what_the_guest_ends_with():
    async def main():
        async with making() as box:
            result = await box.run("aio_value", inputs={"a": 1})
            return result.value, box.closed

    assert asyncio.run(main()) == ({"a": 1}, False)


def test_sandbox_works_without_async_with_and_makes_nothing_before_its_first_run():
    async def main():
        box = hypercell.AsyncSandbox()
        assert box._box is None
        value = (await box.run("aio_value")).value
        await box.aclose()
        await box.aclose()
        return value, box.closed

    assert asyncio.run(main()) == (42, True)


@pytest.mark.parametrize(
    "options", [{"limits": 5}, {"image": 5}, {"keep_state": 1}, {"on_audit": 5}, {"tools": 5}, {"pool": 5}]
)
def test_option_that_cannot_be_is_refused_at_once(options):
    with pytest.raises(hypercell.PolicyError):
        hypercell.AsyncSandbox(**options)


def test_making_the_sandbox_does_not_block_the_loop(monkeypatch):
    def slow_image(_):
        time.sleep(0.3)
        return hypercell.Image(fake_native.Image())

    monkeypatch.setattr(_sandbox, "default_image", slow_image)

    async def main():
        async with Ticker() as ticker:
            box = hypercell.AsyncSandbox()
            first, second = await asyncio.gather(box.__aenter__(), box.run("aio_value"))
            await box.aclose()
        return first is box, second.value, ticker.longest_s

    is_box, value, longest_s = asyncio.run(main())
    assert (is_box, value) == (True, 42)
    assert longest_s < 0.2


def test_failure_to_make_the_sandbox_is_raised_and_tried_again(monkeypatch):
    tries = []

    def image(_):
        tries.append(1)
        if len(tries) < 3:
            raise hypercell.ImageError("no disk")
        return hypercell.Image(fake_native.Image())

    monkeypatch.setattr(_sandbox, "default_image", image)

    async def main():
        box = hypercell.AsyncSandbox()
        with pytest.raises(hypercell.ImageError):
            await box.__aenter__()
        with pytest.raises(hypercell.ImageError):
            await box.run("aio_value")
        return (await box.run("aio_value")).value

    assert asyncio.run(main()) == 42


def test_async_tools_run_in_the_callers_loop_and_context_and_sync_ones_beside_it():
    user = contextvars.ContextVar("user", default="nobody")

    async def where():
        await asyncio.sleep(0)
        return [asyncio.get_running_loop() is loops[0], user.get()]

    def beside():
        return [threading.current_thread() is threading.main_thread(), user.get()]

    async def main():
        loops.append(asyncio.get_running_loop())
        user.set("ann")
        async with making({"tool": where, "beside": beside, "later": lambda: where()}) as box:
            return [
                (await box.run("aio_call", inputs={"name": name})).value
                for name in ("tool", "beside", "later")
            ]

    loops = []
    assert asyncio.run(main()) == [[("ok", [True, "ann"])], [("ok", [False, "ann"])], [("ok", [True, "ann"])]]


def test_answers_of_async_tools_reach_the_guest():
    async def fail():
        raise KeyError("k")

    async def cancelled():
        raise asyncio.CancelledError

    async def main():
        async with making({"tool": fail, "cancelled": cancelled}) as box:
            first = (await box.run("aio_call")).value
            return first + (await box.run("aio_call", inputs={"name": "cancelled"})).value

    assert asyncio.run(main()) == [("err", "KeyError", "'k'"), ("err", "CancelledError", "")]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("is_async", [True, False])
def test_base_exception_of_a_tool_reaches_the_caller_and_not_the_loop(kind, is_async):
    def stop():
        raise kind("from the tool")

    async def stop_async():
        stop()

    async def main():
        async with making({"tool": stop_async if is_async else stop}) as box:
            with pytest.raises(kind, match="from the tool"):
                await box.run("aio_call")
            return (await box.run("aio_value")).value

    assert asyncio.run(main()) == 42


@pytest.mark.parametrize("what", ["spin", "async tool", "sync tool"])
@pytest.mark.parametrize("how", ["cancel the task", "wait_for"])
def test_cancelled_task_stops_guest_and_tools_and_the_sandbox_goes_on(what, how):
    seen, started, release = [], threading.Event(), threading.Event()

    async def wait():
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            seen.append("cleaned up")

    def block():
        started.set()
        release.wait(30)

    async def main():
        async with Ticker() as ticker, making({"tool": wait if what == "async tool" else block}) as box:
            code = "aio_spin" if what == "spin" else "aio_call"
            before = time.monotonic()
            if how == "wait_for":
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(box.run(code), 0.1)
            else:
                task = asyncio.create_task(box.run(code))
                await asyncio.sleep(0.1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            took_s = time.monotonic() - before
            value = (await box.run("aio_value")).value
        return took_s, value, ticker.longest_s

    took_s, value, longest_s = asyncio.run(main())
    release.set()
    assert (value, seen) == (42, ["cleaned up"] if what == "async tool" else [])
    assert took_s < 1
    assert longest_s < 0.25


def test_async_tool_that_refuses_to_be_cancelled_is_left_behind():
    async def stubborn():
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if is_over:
                    raise

    async def main():
        async with making({"tool": stubborn}, wall_time_s=0.1) as box:
            with pytest.raises(hypercell.TimeLimitError) as caught:
                await box.run("aio_call")
            value = (await box.run("aio_value")).value
            is_over.append(1)
            return caught.value.tool, value

    is_over = []
    assert asyncio.run(main()) == ("tool", 42)


def test_second_cancellation_does_not_wait_and_the_sandbox_is_busy_until_the_guest_stopped():
    @program
    def aio_deaf(_):
        release.wait(30)
        return 1
        yield

    release = threading.Event()

    async def main():
        async with making() as box:
            task = asyncio.create_task(box.run("aio_deaf"))
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.sleep(0.05)
            assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(hypercell.SandboxBusyError):
                await box.run("aio_value")
            release.set()
            while box._running.locked():
                await asyncio.sleep(0.01)
            return (await box.run("aio_value")).value

    assert asyncio.run(main()) == 42


@pytest.mark.parametrize("kind", ["spin", "hang", "block"])
def test_time_limit_ends_guest_and_tools(kind):
    release = threading.Event()
    tools = {"hang": hang, "block": lambda: release.wait(30)}

    async def main():
        async with Ticker() as ticker, making(tools, wall_time_s=0.2) as box:
            before = time.monotonic()
            with pytest.raises(hypercell.TimeLimitError) as caught:
                await (box.run("aio_spin") if kind == "spin" else box.run("aio_call", inputs={"name": kind}))
            took_s = time.monotonic() - before
            return caught.value, took_s, (await box.run("aio_value")).value, ticker.longest_s

    error, took_s, value, longest_s = asyncio.run(main())
    release.set()
    assert (error.tool, error.limit, value) == (None if kind == "spin" else kind, "wall_time_s", 42)
    assert error.result.stdout == ("spinning\n" if kind == "spin" else "calling\n")
    assert 0.2 <= took_s < 1
    assert longest_s < 0.25


def test_second_run_is_busy_at_once_and_the_first_goes_on():
    async def main():
        go_on = asyncio.Event()
        async with making({"tool": go_on.wait}) as box:
            first = asyncio.create_task(box.run("aio_call"))
            await asyncio.sleep(0.05)
            for use in (lambda: box.run("aio_value"), box.reset):
                with pytest.raises(hypercell.SandboxBusyError):
                    await use()
            go_on.set()
            return (await first).value

    assert asyncio.run(main()) == [("ok", True)]


def test_tool_that_uses_its_own_sandbox_gets_busy_error():
    async def main():
        async def again():
            return (await box.run("aio_value")).value

        async with making({"tool": again}) as box:
            return (await box.run("aio_call")).value[0][:2]

    assert asyncio.run(main()) == ("err", "SandboxBusyError")


@pytest.mark.parametrize("what", ["aio_spin", "aio_call"])
def test_cancel_and_close_end_the_run_of_another_task(what):
    async def main():
        outcomes = []
        box = hypercell.AsyncSandbox({"tool": hang}, limits=hypercell.Limits(wall_time_s=None))
        assert box.cancel() is False
        for stop in (box.cancel, box.aclose):
            task = asyncio.create_task(box.run(what))
            await asyncio.sleep(0.1)
            stopped = stop()
            if stop == box.aclose:
                await stopped
            outcomes.append((await asyncio.gather(task, return_exceptions=True))[0])
        for use in (lambda: box.run("aio_value"), box.reset, box.__aenter__):
            with pytest.raises(hypercell.SandboxClosedError):
                await use()
        return outcomes, repr(box)

    (cancelled, closed), shown = asyncio.run(main())
    assert isinstance(cancelled, hypercell.RunCancelledError)
    assert isinstance(closed, hypercell.SandboxClosedError)
    assert shown == "<hypercell.AsyncSandbox closed, tools ['tool']>"


def test_kept_state_is_lost_with_a_cancelled_run_until_reset():
    async def main():
        async with making(keep_state=True) as box:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(box.run("aio_spin"), 0.05)
            with pytest.raises(hypercell.SandboxPoisonedError):
                await box.run("aio_value")
            await box.reset()
            return (await box.run("aio_value")).value

    assert asyncio.run(main()) == 42


def test_one_sandbox_serves_several_loops_one_after_another():
    box = hypercell.AsyncSandbox({"tool": hang_briefly})
    assert [asyncio.run(box.run("aio_call")).value for _ in range(3)] == [[("ok", None)]] * 3
    asyncio.run(box.aclose())


async def hang_briefly():
    await asyncio.sleep(0.001)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("what", ["aio_spin", "aio_call"])
def test_loop_that_is_closed_early_leaves_nothing_behind(what):
    limits = hypercell.Limits(wall_time_s=None)
    box = hypercell.AsyncSandbox({"tool": hang}, limits=limits)
    loop = asyncio.new_event_loop()
    task = loop.create_task(box.run(what))
    loop.run_until_complete(asyncio.sleep(0.2))
    thread = box._box._runner.native.threads[0]
    loop.close()
    task._log_destroy_pending = False
    del task
    gc.collect()
    until = time.monotonic() + 5
    while box._running.locked() and time.monotonic() < until:
        time.sleep(0.01)
    assert asyncio.run(box.run("aio_value")).value == 42
    asyncio.run(box.aclose())
    thread.join(5)
    assert not thread.is_alive()


def test_dropped_sandbox_ends_its_thread():
    async def main():
        box = hypercell.AsyncSandbox()
        await box.run("aio_value")
        return box._box._runner.native.threads[0], weakref.ref(box._box)

    thread, reference = asyncio.run(main())
    gc.collect()
    thread.join(5)
    assert (reference(), thread.is_alive()) == (None, False)


def test_arguments_are_refused_as_by_the_other_sandbox():
    async def main():
        box = hypercell.AsyncSandbox(limits=hypercell.Limits(code_bytes=10))
        for error, code, options in (
            (hypercell.CodeTypeError, 5, {}),
            (hypercell.CodeLimitError, "x" * 11, {}),
            (hypercell.PolicyError, "x\0", {}),
            (hypercell.PolicyError, "x", {"inputs": {"1": 2}}),
            (hypercell.PolicyError, "x", {"filename": 5}),
        ):
            with pytest.raises(error):
                await box.run(code, **options)

    asyncio.run(main())
