"""Threads of submitted code in real micro-VMs: with tools, limits, kept state, snapshots and pauses."""

import asyncio
import threading

import pytest

import hypercell
from hypercell import AsyncSandbox, Limits, PendingCall, Sandbox, Snapshot

pytestmark = pytest.mark.usefixtures("hypercell_with_image")

IN_THREADS = """
import threading
values = {}
def call(n):
    values[n] = call_tool("meet", n=n)
threads = [threading.Thread(target=call, args=(n,)) for n in range(COUNT)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
values == {n: 2 * n for n in range(COUNT)}
"""
IN_TASKS = """
import asyncio
async def call(n):
    await asyncio.sleep(0.001 * (n % 7))
    return await call_tool_async("double", n=n)
async def main():
    return await asyncio.gather(*[call(n) for n in range(100)])
asyncio.run(main()) == [2 * n for n in range(100)]
"""
IN_BOTH = """
import asyncio
async def main():
    loop = asyncio.get_running_loop()
    beside = [call_tool_async("double", n=n) for n in range(20)]
    in_threads = [asyncio.to_thread(call_tool, "double", n=n) for n in range(20, 40)]
    answer = loop.create_future()
    def answer_it():
        loop.call_soon_threadsafe(answer.set_result, call_tool("double", n=40))
    in_pool = loop.run_in_executor(None, answer_it)
    values = await asyncio.gather(*beside, *in_threads)
    await in_pool
    return [*values, await answer]
asyncio.run(main()) == [2 * n for n in range(41)]
"""


def double(n: int) -> int:
    """Doubles a number."""
    return 2 * n


def approve(what: str) -> bool:
    """Asks somebody, who is not there."""
    raise AssertionError("a call that pauses runs no tool")


@pytest.fixture
def meet():
    """A tool whose calls return once four of them are there."""
    barrier = threading.Barrier(4)

    def meet(n: int) -> int:
        barrier.wait(timeout=20)
        return 2 * n

    return meet


def test_calls_of_threads_run_beside_each_other(make_sandbox, meet):
    box = make_sandbox(tools=[meet])
    assert box.run(IN_THREADS.replace("COUNT", "8")).value is True


def test_a_hundred_threads_get_their_own_answers(make_sandbox):
    box = make_sandbox(tools={"meet": double})
    result = box.run(IN_THREADS.replace("COUNT", "100"))
    assert (result.value, result.usage.tool_calls) == (True, 100)


@pytest.mark.parametrize("code", [IN_TASKS, IN_BOTH])
def test_loop_and_threads_call_at_once(make_sandbox, code):
    assert make_sandbox(tools=[double]).run(code).value is True


def test_async_sandbox_answers_threads():
    async def main():
        ready = asyncio.Event()
        there = 0

        async def meet(n: int) -> int:
            nonlocal there
            there += 1
            if there == 4:
                ready.set()
            await asyncio.wait_for(ready.wait(), 20)
            return 2 * n

        async with AsyncSandbox([meet]) as box:
            return (await box.run(IN_THREADS.replace("COUNT", "4"))).value

    assert asyncio.run(main()) is True


def test_error_of_a_tool_reaches_the_thread_that_called(make_sandbox):
    box = make_sandbox(tools=[double])
    code = """
from concurrent.futures import ThreadPoolExecutor
def call(name):
    try:
        return call_tool(name, n=1)
    except ToolError as error:
        return error.tool
with ThreadPoolExecutor(4) as pool:
    values = list(pool.map(call, ["double", "none", "double", "nobody"]))
values
"""
    assert box.run(code).value == [2, "none", 2, "nobody"]


def test_lines_of_threads_are_whole(make_sandbox):
    code = """
import threading
def write(n):
    for step in range(50):
        print(f"{n} {step} {'x' * 40}\\n", end="")
threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
    lines = make_sandbox().run(code).stdout.splitlines()
    assert sorted(lines) == sorted(f"{n} {step} {'x' * 40}" for n in range(4) for step in range(50))


@pytest.mark.parametrize(
    ("setup", "waits"),
    [
        ("threading.Timer(0.01, event.set).start()", "not event.is_set()"),
        ("thread = threading.Thread(target=time.sleep, args=(0.01,))\nthread.start()", "thread.is_alive()"),
        ("threading.Timer(0.01, work.put, [1]).start()", "work.empty()"),
        ("future = ThreadPoolExecutor(1).submit(time.sleep, 0.01)", "not future.done()"),
        (
            "thread = threading.Thread(target=time.sleep, args=(0.01,))\nthread.start()",
            "time.time() < start + 0.05",
        ),
    ],
)
def test_loop_that_asks_lets_others_go(make_sandbox, setup, waits):
    code = f"""
import queue, threading, time
from concurrent.futures import ThreadPoolExecutor
event, work, start = threading.Event(), queue.Queue(), time.time()
{setup}
while {waits}:
    pass
'ended'
"""
    assert make_sandbox().run(code).value == "ended"


def test_thread_that_computes_gives_way_to_one_that_has_slept_when_it_asks(make_sandbox):
    code = """
import threading, time
stop, rounds = threading.Event(), 0
def compute():
    global rounds
    while not stop.is_set():
        rounds += 1
threads = [threading.Thread(target=compute) for _ in range(3)]
for thread in threads:
    thread.start()
time.sleep(0.02)
stop.set()
for thread in threads:
    thread.join()
rounds > 0
"""
    assert make_sandbox().run(code).value is True


def test_thread_that_never_ends_is_stopped_at_the_time_of_the_run(make_sandbox):
    box = make_sandbox(limits=Limits(wall_time_s=0.5))
    with pytest.raises(hypercell.TimeLimitError):
        box.run("import threading\nthreading.Thread(target=threading.Event().wait).start()")
    assert box.run("import threading\nthreading.active_count()").value == 1


def test_threads_that_wait_for_each_other_are_stopped_at_the_time_of_the_run(make_sandbox):
    box = make_sandbox(limits=Limits(wall_time_s=0.5))
    with pytest.raises(hypercell.TimeLimitError):
        box.run("import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()")


def test_run_with_threads_can_be_cancelled(make_sandbox):
    code = "import threading\nthreading.Thread(target=threading.Event().wait).start()\nprint('on')\ndouble(1)"
    called = threading.Event()

    def tell(n: int) -> int:
        called.set()
        return n

    box = make_sandbox(tools={"double": tell})
    killer = threading.Thread(target=lambda: called.wait(20) and box.cancel())
    killer.start()
    with pytest.raises(hypercell.RunCancelledError):
        box.run(code)
    killer.join()
    assert box.run("1").value == 1


def test_there_is_a_bound_on_threads_and_it_says_so(make_sandbox):
    code = """
import threading
gate, refusal = threading.Event(), None
try:
    for _ in range(300):
        threading.Thread(target=gate.wait, daemon=True).start()
except RuntimeError as error:
    refusal = str(error)
refusal
"""
    assert make_sandbox().run(code).value == "can't start new thread"


def test_memory_limit_holds_for_all_threads_together(make_sandbox):
    code = """
import threading
kept, failed = [], []
def fill():
    try:
        for _ in range(100):
            kept.append(bytearray(b"x" * (1 << 20)))
    except MemoryError:
        failed.append(True)
threads = [threading.Thread(target=fill) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
kept.clear()
failed
"""
    assert make_sandbox(limits=Limits(memory_bytes=64 << 20)).run(code).value == [True] * 4


def test_fault_in_a_thread_ends_the_run(make_sandbox):
    box = make_sandbox()
    with pytest.raises(hypercell.GuestCrashError) as caught:
        box.run("import ctypes, threading\nthreading.Thread(target=ctypes.string_at, args=(1,)).start()")
    assert "SIGSEGV" in str(caught.value)
    assert box.run("1").value == 1


def test_threads_of_kept_state_go_on_with_the_next_run(make_sandbox):
    box = make_sandbox(keep_state=True)
    box.run("""
import queue, threading
work, done = queue.Queue(), queue.Queue()
def serve():
    while True:
        done.put(work.get() * 2)
threading.Thread(target=serve).start()
""")
    for n in range(3):
        assert box.run(f"work.put({n})\ndone.get()").value == 2 * n


def test_snapshot_has_its_threads(make_sandbox, tmp_path):
    box = make_sandbox(keep_state=True)
    box.run("""
import queue, threading
work, done = [queue.Queue(), queue.Queue()], queue.Queue()
mine = threading.local()
def serve(work):
    mine.count = 0
    while True:
        mine.count += work.get()
        done.put(mine.count)
for one in work:
    threading.Thread(target=serve, args=(one,), daemon=True).start()
    one.put(1)
[done.get() for _ in work]
""")
    box.snapshot().save(tmp_path / "file")
    code = "for one in work:\n    one.put(10)\n[[done.get() for _ in work], threading.active_count()]"
    for _ in range(2):
        with Sandbox.from_snapshot(Snapshot.load(tmp_path / "file"), keep_state=True) as copy:
            assert copy.run(code).value == [[11, 11], 3]


@pytest.mark.parametrize("is_loaded", [False, True])
def test_call_of_a_thread_pauses_the_run_and_goes_on(make_sandbox, tmp_path, is_loaded):
    box = make_sandbox(tools=[double, approve], pause_on=["approve"])
    result = box.run("""
import threading
found, before = [], threading.local()
def ask():
    before.value = double(n=4)
    found.append((before.value, approve(what="mail")))
thread = threading.Thread(target=ask)
thread.start()
thread.join()
found
""")
    assert result.pending == PendingCall("approve", {"what": "mail"}, line=6)
    if is_loaded:
        box.snapshot().save(tmp_path / "file")
        box.close()
        box = Sandbox.from_snapshot(Snapshot.load(tmp_path / "file"), tools=[double, approve])
    assert box.resume(True).value == [(8, True)]
    box.close()


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess\nsubprocess.run(['ls'])",
        "import subprocess\nsubprocess.check_output('ls', shell=True)",
        "import multiprocessing\nmultiprocessing.Process(target=print).start()",
        "import multiprocessing\nmultiprocessing.get_context('spawn').Process(target=print).start()",
        "from concurrent.futures import ProcessPoolExecutor\nlist(ProcessPoolExecutor(1).map(abs, [1]))",
        "from multiprocessing.shared_memory import SharedMemory\nSharedMemory(create=True, size=1)",
    ],
)
def test_processes_are_refused_and_the_error_says_why(make_sandbox, code):
    error = make_sandbox().run(code).error
    assert (error.type, error.message) == (
        "PermissionError",
        "[Errno 1] processes cannot be started here; threads can, and a tool can run a program on the host",
    )


def test_signals_of_timers_end_waits_and_interrupt_work(make_sandbox):
    code = """
import signal, time
class Late(Exception):
    pass
def ring(*_):
    raise Late
signal.signal(signal.SIGALRM, ring)
def until(work):
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    try:
        while True:
            work()
    except Late:
        return signal.getitimer(signal.ITIMER_REAL)
[until(lambda: time.sleep(10)), until(time.time), signal.alarm(10), signal.alarm(0)]
"""
    assert make_sandbox().run(code).value == [(0.0, 0.0), (0.0, 0.0), 0, 10]


def test_signals_can_be_waited_for(make_sandbox):
    code = """
import os, signal, threading
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGUSR1)).start()
[signal.sigwait({signal.SIGUSR1}), signal.sigtimedwait({signal.SIGUSR1}, 0.01)]
"""
    assert make_sandbox().run(code).value == [10, None]


def test_nothing_is_mapped_in_the_mebibyte_below_the_stack(make_sandbox):
    code = """
lines = [line.split() for line in open("/proc/self/maps")]
at = next(index for index, line in enumerate(lines) if line[-1] == "[stack]")
(start, end), (stack, _) = [[int(part, 16) for part in line[0].split("-")] for line in lines[at - 1 : at + 1]]
[end == stack, end - start, lines[at - 1][1]]
"""
    assert make_sandbox().run(code).value == [True, 1 << 20, "---p"]


def test_stack_of_a_thread_ends_with_a_report(make_sandbox):
    box = make_sandbox()
    code = """
import ctypes, mmap, threading
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(b"\\xe8\\xfb\\xff\\xff\\xff")  # call -5
endless = ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
threading.Thread(target=endless).start()
"""
    with pytest.raises(hypercell.GuestCrashError, match="SIGSEGV"):
        box.run(code)
    assert box.run("1").value == 1
