"""Tools beside each other: threads for sync ones, the loop for async ones, and their end. The guest is a generator."""

import asyncio
import contextvars
import os
import sys
import threading
import time

import pytest

import hypercell
from hypercell import _calls, _image, _pool, _sandbox

sys.path.insert(0, os.path.dirname(__file__))  # noqa: PTH120
import fake_native


def program(function):
    """Registers a guest program; its name is the code that runs it."""
    fake_native.programs[function.__name__] = function
    return function


def collect(calls, timeout_s=None):
    """Starts calls and waits until each has its answer; returns answers by number, and the order of numbers."""
    answers = yield ("wait", calls, [], timeout_s)
    order = list(answers)
    while len(answers) < len(calls):
        more = yield ("wait", {}, [], timeout_s)
        order += more
        answers |= more
    return answers, order


@program
def beside_value(_):
    return 42
    yield


@program
def beside(_, names):
    answers, order = yield from collect({n: (name, {}) for n, name in enumerate(names)})
    return [answers[n] for n in range(len(names))], order


@program
def beside_then_leave(_, names):
    yield ("wait", {n: (name, {}) for n, name in enumerate(names)}, [], 0.05)
    return "left"


@program
def beside_then_cancel(_, names, cancelled):
    answers = yield ("wait", {n: (name, {}) for n, name in enumerate(names)}, [], 0.02)
    while len(answers) < len(names):
        answers |= yield ("wait", {}, cancelled, None)
        cancelled = []
    return answers


@program
def beside_with_timeout(_, names, timeout_s):
    first = yield ("wait", {n: (name, {}) for n, name in enumerate(names)}, [], timeout_s)
    second = yield ("call", "quick", {})
    answers = dict(first)
    while len(answers) < len(names):
        answers |= yield ("wait", {}, [], None)
    return first, second, answers


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    monkeypatch.setattr(_image, "native", lambda: fake_native)
    monkeypatch.setattr(_pool, "native", lambda: fake_native)
    monkeypatch.setattr(_sandbox, "native", lambda: fake_native)
    monkeypatch.setattr(_image, "_defaults", [])


@pytest.fixture(params=["Sandbox", "AsyncSandbox"])
def run(request):
    """Runs code in a sandbox of either kind with some tools."""

    def run(tools, code, *, wall_time_s=30.0, **inputs):
        limits = hypercell.Limits(wall_time_s=wall_time_s)
        if request.param == "Sandbox":
            with hypercell.Sandbox(tools, limits=limits) as box:
                return box.run(code, inputs=inputs).value

        async def main():
            async with hypercell.AsyncSandbox(tools, limits=limits) as box:
                return (await box.run(code, inputs=inputs)).value

        return asyncio.run(main())

    return run


async def slow():
    await asyncio.sleep(0.05)
    return "slow"


def test_async_tools_run_at_once(run):
    before = time.monotonic()
    answers, _ = run({"slow": slow}, "beside", names=["slow"] * 50)
    assert answers == [("ok", "slow")] * 50
    assert time.monotonic() - before < 1


def test_sync_tools_run_at_once_on_a_bounded_number_of_threads(run):
    guard, running, most = threading.Lock(), [], []

    def block():
        with guard:
            running.append(threading.current_thread())
            most.append(len(running))
        time.sleep(0.02)
        with guard:
            running.remove(threading.current_thread())

    before = time.monotonic()
    answers, _ = run({"block": block}, "beside", names=["block"] * 24)
    assert answers == [("ok", None)] * 24
    assert max(most) == _calls.MAX_THREADS == 8
    assert 0.06 <= time.monotonic() - before < 0.4


def test_threads_end_with_the_run(run):
    before = threading.active_count()
    run({"block": lambda: time.sleep(0.01)}, "beside", names=["block"] * 4)
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_answer_is_delivered_as_soon_as_its_tool_is_done(run):
    async def last():
        await asyncio.sleep(0.3)

    _, order = run({"last": last, "quick": lambda: 1}, "beside", names=["last", "quick"])
    assert order == [1, 0]


def test_errors_are_answers_of_their_calls_alone(run):
    def fail():
        raise KeyError("k")

    async def fail_async():
        raise ValueError("v")

    def picky(a):
        return a

    tools = {"fail": fail, "later": fail_async, "picky": picky, "slow": slow, "odd": lambda: slow()}
    answers, _ = run(tools, "beside", names=["fail", "later", "picky", "slow", "odd"])
    assert answers[:2] == [("err", "KeyError", "'k'"), ("err", "ValueError", "v")]
    assert answers[2][:2] == ("err", "ArgumentError")
    assert answers[3:] == [("ok", "slow"), ("ok", "slow")]


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_base_exception_of_one_tool_ends_the_run_and_cancels_the_others(run, kind, is_async):
    seen = []

    def stop():
        time.sleep(0.02)
        raise kind("from the tool")

    async def stop_async():
        stop()

    async def other():
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("cancelled")

    with pytest.raises(kind, match="from the tool"):
        run({"stop": stop_async if is_async else stop, "other": other}, "beside", names=["other", "stop"])
    assert seen == ["cancelled"]


def test_every_tool_sees_the_callers_context(run):
    user = contextvars.ContextVar("user", default="nobody")
    user.set("ann")

    async def later():
        await asyncio.sleep(0)
        return user.get()

    answers, _ = run({"now": lambda: user.get(), "later": later}, "beside", names=["now", "later"] * 3)
    assert answers == [("ok", "ann")] * 6


def test_wait_ends_at_its_timeout_and_the_tools_go_on_meanwhile(run):
    tools = {"slow": slow, "quick": lambda: "quick"}
    first, second, answers = run(tools, "beside_with_timeout", names=["slow"], timeout_s=0.01)
    assert (first, second, answers) == ({}, ("ok", "quick"), {0: ("ok", "slow")})


def test_timeout_of_five_hundred_years_is_a_wait(run):
    first, _, _ = run({"slow": slow, "quick": int}, "beside_with_timeout", names=["slow"], timeout_s=1.8e10)
    assert first == {0: ("ok", "slow")}


def test_cancelled_calls_are_answered_async_and_queued_ones_at_once(run):
    release, begun = threading.Event(), []

    async def hang():
        await asyncio.sleep(60)

    def block():
        begun.append(1)
        release.wait(30)

    names = ["hang"] + ["block"] * 9
    threading.Timer(0.3, release.set).start()
    answers = run(
        {"hang": hang, "block": block}, "beside_then_cancel", names=names, cancelled=list(range(10))
    )
    assert [answers[n][:2] for n in (0, 9)] == [("err", "CancelledError")] * 2
    assert [answers[n] for n in range(1, 9)] == [("ok", None)] * 8
    assert len(begun) == 8


def test_run_that_ends_first_cancels_async_tools_and_leaves_sync_ones_behind(run):
    seen, release = [], threading.Event()

    async def hang():
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            seen.append("cleaned up")

    before = time.monotonic()
    value = run(
        {"hang": hang, "block": lambda: release.wait(30)}, "beside_then_leave", names=["hang", "block"]
    )
    assert (value, seen) == ("left", ["cleaned up"])
    assert time.monotonic() - before < 1
    release.set()


def test_answer_of_a_tool_left_behind_never_reaches_the_next_run():
    release, came_back = threading.Event(), threading.Event()

    def block():
        release.wait(30)
        came_back.set()
        return "late"

    with hypercell.Sandbox({"block": block, "slow": slow}) as box:
        assert box.run("beside_then_leave", inputs={"names": ["block"]}).value == "left"
        release.set()
        assert came_back.wait(5)
        assert box.run("beside", inputs={"names": ["slow"]}).value == ([("ok", "slow")], [0])


@pytest.mark.parametrize("name", ["hang", "block", "stubborn"])
def test_time_limit_ends_tools_beside_each_other_and_names_one(run, name):
    release, seen = threading.Event(), []

    async def hang():
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("cleaned up")

    async def stubborn():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("ignored")
        await asyncio.sleep(60)

    tools = {"hang": hang, "block": lambda: release.wait(30), "stubborn": stubborn}
    before = time.monotonic()
    with pytest.raises(hypercell.TimeLimitError) as caught:
        run(tools, "beside", names=[name, name], wall_time_s=0.2)
    assert time.monotonic() - before < 1.5
    release.set()
    assert caught.value.tool == name
    assert seen == {"hang": ["cleaned up"] * 2, "block": [], "stubborn": ["ignored"] * 2}[name]


@pytest.mark.parametrize("name", ["hang", "block"])
def test_cancel_ends_tools_beside_each_other_and_the_sandbox_goes_on(name):
    release = threading.Event()

    async def hang():
        await asyncio.sleep(60)

    tools = {"hang": hang, "block": lambda: release.wait(30)}
    with hypercell.Sandbox(tools, limits=hypercell.Limits(wall_time_s=None)) as box:
        threading.Timer(0.1, box.cancel).start()
        before = time.monotonic()
        with pytest.raises(hypercell.RunCancelledError):
            box.run("beside", inputs={"names": [name] * 3})
        assert time.monotonic() - before < 1
        assert box.run("beside_value").value == 42
    release.set()


def test_cancelled_task_ends_tools_beside_each_other():
    seen = []

    async def hang():
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("cleaned up")

    async def main():
        async with hypercell.AsyncSandbox({"hang": hang}) as box:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(box.run("beside", inputs={"names": ["hang"] * 3}), 0.1)
            return (await box.run("beside_value")).value

    assert asyncio.run(main()) == 42
    assert seen == ["cleaned up"] * 3
