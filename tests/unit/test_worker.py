"""The caller's side of a run: worker thread, deadlines, tools left behind, Ctrl-C. The guest is a generator."""

import asyncio
import contextvars
import gc
import os
import signal
import sys
import threading
import time
import weakref

import pytest

import hypercell
from hypercell import _image, _pool, _process, _sandbox

sys.path.insert(0, os.path.dirname(__file__))  # noqa: PTH120
import fake_native


def program(function):
    """Registers a guest program; its name is the code that runs it."""
    fake_native.programs[function.__name__] = function
    return function


@program
def value(_, **inputs):
    return inputs or 42
    yield


@program
def spin(box):
    box.stdout = "spinning\n"
    box.spin()
    yield


@program
def call(box, name="tool", args=None, times=1):
    box.stdout = "calling\n"
    answers = []
    for _ in range(times):
        answers.append((yield ("call", name, args or {})))
    return answers


@program
def exit_hard(box):
    return fake_native.Done(box, error=("SystemExit", "os._exit(3)", "", None), exit_code=3)
    yield


@program
def unusable(_):
    raise hypercell.ValueNotSendableError("inputs: no")
    yield


@pytest.fixture
def make(monkeypatch):
    boxes = []

    def make(tools=(), *, wall_time_s=30.0, **options):
        limits = hypercell.Limits(wall_time_s=wall_time_s)
        boxes.append(hypercell.Sandbox(tools, limits=limits, **options))
        return boxes[-1]

    monkeypatch.setattr(_image, "native", lambda: fake_native)
    monkeypatch.setattr(_pool, "native", lambda: fake_native)
    monkeypatch.setattr(_sandbox, "native", lambda: fake_native)
    monkeypatch.setattr(_image, "_defaults", [])
    yield make
    for box in boxes:
        box.close()


def run_in_thread(action):
    """Runs an action in a thread and returns it with a list of its outcome."""
    outcome = []

    def work():
        try:
            outcome.append(action())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, outcome


def test_run_returns_what_the_guest_ends_with(make):
    result = make().run("value", inputs={"a": 1})
    assert (result.value, result.error, result.stdout) == ({"a": 1}, None, "")


def test_runs_share_one_thread_that_is_made_by_the_first(make):
    before = threading.active_count()
    box = make()
    assert threading.active_count() == before
    for _ in range(3):
        box.run("value")
    assert threading.active_count() == before + 1
    assert len(set(box._runner.native.threads)) == 1
    assert box._runner.native.threads[0] is not threading.current_thread()
    box.close()
    assert threading.active_count() == before


@pytest.mark.usefixtures("make")
def test_dropped_sandbox_ends_its_thread():
    box = hypercell.Sandbox()
    box.run("value")
    thread, reference = box._runner.native.threads[0], weakref.ref(box)
    del box
    gc.collect()
    thread.join(5)
    assert (reference(), thread.is_alive()) == (None, False)


@pytest.mark.usefixtures("make")
def test_error_of_a_run_keeps_no_cycle():
    gc.collect()
    gc.disable()
    try:
        box = hypercell.Sandbox(limits=hypercell.Limits(wall_time_s=0.05))
        reference = weakref.ref(box)
        with pytest.raises(hypercell.TimeLimitError) as caught:
            box.run("spin")
        del box, caught
        assert reference() is None
    finally:
        gc.enable()


def test_guest_is_ended_by_the_native_side_at_the_limit(make):
    box = make(wall_time_s=0.1)
    with pytest.raises(hypercell.TimeLimitError) as caught:
        box.run("spin")
    assert (str(caught.value), caught.value.tool) == ("too long", None)
    assert caught.value.result.stdout == "spinning\n"
    assert box.run("value").value == 42
    assert len(set(box._runner.native.threads)) == 1


def test_tool_answers_reach_the_guest(make):
    def fail():
        raise KeyError("k")

    def awkward():
        class SilentError(Exception):
            def __str__(self):
                raise ValueError

        raise SilentError

    box = make({"tool": lambda: 5, "fail": fail, "awkward": awkward, "unsendable": lambda: print_it})

    def print_it():
        pass

    assert box.run("call", inputs={"times": 2}).value == [("ok", 5), ("ok", 5)]
    assert box.run("call", inputs={"name": "fail"}).value == [("err", "KeyError", "'k'")]
    assert box.run("call", inputs={"name": "awkward"}).value == [
        ("err", "SilentError", "<SilentError whose text cannot be had>")
    ]
    assert box.run("call", inputs={"name": "unsendable"}).value == [
        ("err", "ValueNotSendableError", "result: cannot send a function")
    ]
    refused = box.run("call", inputs={"args": {"more": 1}}).value
    assert refused[0][:2] == ("err", "ArgumentError")


def test_sync_tool_that_does_not_return_is_left_behind_at_the_limit_and_named(make):
    release, came_back = threading.Event(), threading.Event()

    def hang():
        release.wait(30)
        came_back.set()

    box = make({"tool": hang}, wall_time_s=0.2)
    left_behind = box._runner.native
    before = time.monotonic()
    with pytest.raises(hypercell.TimeLimitError) as caught:
        box.run("call")
    assert time.monotonic() - before < 1
    error = caught.value
    assert (error.limit, error.maximum, error.unit, error.tool) == ("wall_time_s", 0.2, "s", "tool")
    assert 0.2 <= error.used < 1
    assert str(error).endswith(" s, which exceeds wall_time_s, which is 0.2 s: tool 'tool' had not returned")
    assert error.result.stdout == "calling\n"
    assert box.run("value").value == 42
    (first,), (second,) = left_behind.threads, box._runner.native.threads
    assert first is not second
    release.set()
    assert came_back.wait(5)
    first.join(5)
    assert (first.is_alive(), box.run("value").value, len(left_behind.threads)) == (False, 42, 1)


def test_time_in_tools_that_return_counts(make):
    box = make({"tool": lambda: time.sleep(0.03)}, wall_time_s=0.1)
    with pytest.raises(hypercell.TimeLimitError) as caught:
        box.run("call", inputs={"times": 100})
    assert caught.value.result.usage.tool_calls < 10


def test_async_tool_is_cancelled_at_the_limit_and_its_loop_goes_on(make):
    seen, loops = [], []

    async def hang():
        loops.append(asyncio.get_running_loop())
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            seen.append("cleaned up")

    async def loop():
        loops.append(asyncio.get_running_loop())

    box = make({"tool": hang, "loop": loop}, wall_time_s=0.2)
    with pytest.raises(hypercell.TimeLimitError) as caught:
        box.run("call")
    assert (caught.value.tool, seen) == ("tool", ["cleaned up"])
    box.run("call", inputs={"name": "loop"})
    assert loops[0] is loops[1]


def test_async_tool_that_refuses_to_be_cancelled_is_left_behind(make):
    async def stubborn():
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if release.is_set():
                    raise

    release = threading.Event()
    box = make({"tool": stubborn}, wall_time_s=0.1)
    with pytest.raises(hypercell.TimeLimitError) as caught:
        box.run("call")
    assert caught.value.tool == "tool"
    assert box.run("value").value == 42


def test_async_tool_that_cancels_itself_fails_like_any_other(make):
    async def cancelled():
        raise asyncio.CancelledError

    box = make({"tool": cancelled})
    assert box.run("call").value[0][:2] == ("err", "CancelledError")


def test_tasks_that_async_tools_left_running_end_with_the_sandbox(make):
    seen = []

    async def background():
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("ended")

    async def start():
        tasks.append(asyncio.create_task(background()))
        await asyncio.sleep(0)

    tasks = []
    box = make({"tool": start})
    box.run("call")
    thread = box._runner.native.threads[0]
    box.close()
    thread.join(5)
    assert seen == ["ended"]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_tools_see_the_callers_context(make, kind):
    user = contextvars.ContextVar("user", default="nobody")

    async def later():
        await asyncio.sleep(0)
        return user.get()

    box = make({"tool": (lambda: user.get()) if kind == "sync" else later})
    user.set("ann")
    assert box.run("call").value == [("ok", "ann")]
    user.set("bob")
    assert box.run("call").value == [("ok", "bob")]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_base_exception_of_a_tool_ends_the_run_and_reaches_the_caller(make, kind):
    def stop():
        raise kind("from the tool")

    box = make({"tool": stop})
    with pytest.raises(kind, match="from the tool"):
        box.run("call")
    assert box._runner.native.guest is None
    assert box.run("value").value == 42


def test_second_thread_is_busy_at_once_and_the_first_goes_on(make):
    started, go_on = threading.Event(), threading.Event()

    def wait():
        started.set()
        go_on.wait(30)

    box = make({"tool": wait})
    thread, outcome = run_in_thread(lambda: box.run("call"))
    assert started.wait(5)
    for use in (lambda: box.run("value"), box.reset):
        with pytest.raises(hypercell.SandboxBusyError):
            use()
    go_on.set()
    thread.join(5)
    assert outcome[0].value == [("ok", None)]


def test_tool_that_uses_its_own_sandbox_gets_busy_error(make):
    box = make({"tool": lambda: box.run("value").value})
    assert box.run("call").value[0][:2] == ("err", "SandboxBusyError")


@pytest.mark.parametrize("what", ["spin", "call"])
def test_cancel_ends_a_run_from_another_thread(make, what):
    started = threading.Event()

    def hang():
        started.set()
        threading.Event().wait(5)

    box = make({"tool": hang}, wall_time_s=None)
    assert box.cancel() is False
    thread, outcome = run_in_thread(lambda: box.run(what))
    while not (started.is_set() or box._runner.native.stdout == "spinning\n"):
        time.sleep(0.001)
    assert box.cancel() is True
    thread.join(1)
    assert isinstance(outcome[0], hypercell.RunCancelledError)
    assert str(outcome[0]) == "the run was cancelled: cancelled by the caller"
    assert outcome[0].result.stdout in ("spinning\n", "calling\n")
    assert box.run("value").value == 42


@pytest.mark.parametrize("what", ["spin", "call"])
def test_close_ends_a_run_from_another_thread(make, what):
    started = threading.Event()

    def hang():
        started.set()
        threading.Event().wait(5)

    box = make({"tool": hang}, wall_time_s=None)
    thread, outcome = run_in_thread(lambda: box.run(what))
    while not (started.is_set() or box._runner.native.stdout == "spinning\n"):
        time.sleep(0.001)
    box.close()
    thread.join(1)
    assert isinstance(outcome[0], hypercell.SandboxClosedError)
    assert box.closed


def test_close_by_an_own_tool_ends_the_run(make):
    box = make({"tool": lambda: box.close()})
    with pytest.raises(hypercell.SandboxClosedError):
        box.run("call")


def test_use_after_close_is_refused(make):
    box = make()
    with box as entered:
        assert entered is box
    for use in (lambda: box.run("value"), box.reset, box.__enter__):
        with pytest.raises(hypercell.SandboxClosedError):
            use()
    box.close()
    assert repr(box) == "<hypercell.Sandbox closed, tools []>"


def test_answer_that_a_stop_made_of_a_tool_does_not_reach_the_guest(make):
    started = threading.Event()

    async def hang():
        started.set()
        await asyncio.sleep(60)

    box = make({"tool": hang})
    interrupt = box._runner.native.interrupt

    def interrupt_late(reason):
        # Whoever stops the run is held up after the tool was cancelled: its worker goes on first.
        if threading.current_thread() not in box._runner.native.threads:
            time.sleep(0.3)
        return interrupt(reason)

    box._runner.native.interrupt = interrupt_late
    stopped = []

    def run():
        with pytest.raises(hypercell.RunCancelledError) as raised:
            box.run("call")
        stopped.append(raised.value)

    runner = threading.Thread(target=run)
    runner.start()
    assert started.wait(10)
    box.cancel()
    runner.join(10)
    assert len(stopped) == 1


@pytest.fixture
def ctrl_c():
    """Makes SIGINT raise KeyboardInterrupt, also where a shell started the tests in the background and ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals are sent to this thread")
@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("what", ["spin", "call", "hang"])
def test_ctrl_c_ends_the_run_at_once_and_the_sandbox_stays_usable(make, what):
    async def hang_async():
        await asyncio.sleep(60)

    tools = {"tool": lambda: threading.Event().wait(5), "hang": hang_async}
    box = make(tools, wall_time_s=None)
    code, inputs = ("call", {"name": "hang"}) if what == "hang" else (what, None)
    main = threading.main_thread().ident
    timer = threading.Timer(0.2, signal.pthread_kill, [main, signal.SIGINT])
    timer.start()
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        box.run(code, inputs=inputs)
    assert time.monotonic() - before < 1.5
    timer.join()
    assert box.run("value").value == 42


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals are sent to this thread")
@pytest.mark.usefixtures("ctrl_c")
def test_second_ctrl_c_does_not_leave_the_sandbox_busy(make):
    @program
    def deaf(box):
        box.stdout = "deaf\n"
        release.wait(30)
        return 1
        yield

    release = threading.Event()
    box = make(wall_time_s=None)
    main = threading.main_thread().ident
    timers = [threading.Timer(s, signal.pthread_kill, [main, signal.SIGINT]) for s in (0.1, 0.3)]
    for timer in timers:
        timer.start()
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        box.run("deaf")
    assert time.monotonic() - before < 1
    release.set()
    while box._runner.native.inside.locked():
        time.sleep(0.001)
    assert box.run("value").value == 42


def test_kept_state_is_lost_with_a_failed_run_until_reset(make):
    def poisons(code):
        box = make({"tool": lambda: threading.Event().wait(5)}, wall_time_s=0.1, keep_state=True)
        with pytest.raises(hypercell.LimitError):
            box.run(code)
        with pytest.raises(hypercell.SandboxPoisonedError):
            box.run("value")
        box.reset()
        assert box.run("value").value == 42

    poisons("spin")
    poisons("call")


def test_kept_state_is_lost_with_os_exit_but_not_with_refused_input(make):
    box = make(keep_state=True)
    with pytest.raises(hypercell.ValueNotSendableError):
        box.run("unusable")
    assert box.run("value").value == 42
    assert box.run("exit_hard").exit_code == 3
    with pytest.raises(hypercell.SandboxPoisonedError):
        box.run("value")
    assert make().run("exit_hard").exit_code == 3


def test_limits_and_tools_reach_the_native_side(make):
    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    box = make([add], on_audit=print)
    options = box._runner.native.options
    assert options["tools"] == [("add", "Adds.", repr(box._runner._tools["add"].schema), False)]
    assert options["audit"] is box._hooks.log is not None
    assert options["output_bytes"] == 1 << 20
    assert box.run("call", inputs={"name": "add", "args": {"a": 1, "b": 2}}).value == [("ok", 3)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_child_gets_a_worker_of_its_own(make):
    started, go_on = threading.Event(), threading.Event()

    def wait():
        started.set()
        go_on.wait(30)

    idle, busy = make(), make({"tool": wait})
    idle.run("value")
    thread, _ = run_in_thread(lambda: busy.run("call"))
    assert started.wait(5)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            busy._runner.native.guest = None
            status = 0 if (idle.run("value").value, busy.run("value").value) == (42, 42) else 2
        finally:
            os._exit(status)
    go_on.set()
    thread.join(5)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert idle.run("value").value == 42


def test_end_of_the_process_gets_workers_out_of_the_guest(make, monkeypatch):
    box = make(wall_time_s=None)
    thread, outcome = run_in_thread(lambda: box.run("spin"))
    while box._runner.native.stdout != "spinning\n":
        time.sleep(0.001)
    monkeypatch.setattr(_process, "_is_exiting", False)
    _process._end_all()
    assert not box._runner.native.inside.locked()
    thread.join(5)
    assert isinstance(outcome[0], hypercell.RunCancelledError)
    with pytest.raises(hypercell.SandboxClosedError):
        box.run("value")
