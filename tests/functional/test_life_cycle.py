"""A sandbox from its making to its end, from several threads, under Ctrl-C, and when the host is killed."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import hypercell

SCRIPT_TIMEOUT_S = 60


def test_use_after_close_raises_the_same_error_everywhere(make_sandbox):
    box = make_sandbox()
    box.close()
    for use in (lambda: box.run("1"), box.reset, box.__enter__):
        with pytest.raises(hypercell.SandboxClosedError):
            use()
    box.close()


def test_with_block_closes_also_after_an_exception(make_sandbox):
    box = make_sandbox()
    with pytest.raises(ZeroDivisionError), box:
        1 / 0  # noqa: B018
    with pytest.raises(hypercell.SandboxClosedError):
        box.run("1")


def test_two_threads_in_one_sandbox_is_a_busy_error_and_the_first_run_goes_on(make_sandbox):
    started, go_on = threading.Event(), threading.Event()

    def wait():
        started.set()
        go_on.wait(30)

    box = make_sandbox(tools=[wait])
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(box.run, "wait()\n'first'")
        assert started.wait(30)
        with pytest.raises(hypercell.SandboxBusyError):
            box.run("'second'")
        go_on.set()
        assert first.result(30).value == "first"
    assert box.run("'third'").value == "third"


def test_close_from_another_thread_ends_the_run(make_sandbox):
    started = threading.Event()
    box = make_sandbox(tools={"begin": started.set}, limits=hypercell.Limits(wall_time_s=60))
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(box.run, "begin()\nwhile True: pass")
        assert started.wait(30)
        before = time.monotonic()
        box.close()
        with pytest.raises(hypercell.HypercellError):
            run.result(30)
    assert time.monotonic() - before < 5


def test_any_thread_may_use_and_close_a_sandbox(make_sandbox):
    box = make_sandbox(keep_state=True)
    values = []
    for n in range(4):
        thread = threading.Thread(target=lambda n=n: values.append(box.run(f"x = {n}\nx").value))
        thread.start()
        thread.join()
    assert values == [0, 1, 2, 3]
    closer = threading.Thread(target=box.close)
    closer.start()
    closer.join()
    with pytest.raises(hypercell.SandboxClosedError):
        box.run("1")


def test_sandbox_dropped_without_close_in_another_thread_is_silent(hypercell_with_image, recwarn):
    def work():
        box = hypercell_with_image.Sandbox()
        box.run("1")
        del box

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [str(w.message) for w in recwarn if not issubclass(w.category, ResourceWarning)] == []


def test_many_sandboxes_on_two_threads(hypercell_with_image):
    def work(worker):
        values = []
        for n in range(25):
            with hypercell_with_image.Sandbox(tools={"own": lambda worker=worker: worker}) as box:
                values.append(box.run(f"[own(), {n}]").value)
        return values

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(work, range(2)))
    assert outcomes == [[[worker, n] for n in range(25)] for worker in range(2)]


def test_fifty_live_sandboxes_keep_their_own_state(make_sandbox):
    boxes = [make_sandbox(keep_state=True) for _ in range(50)]
    for n, box in enumerate(boxes):
        box.run(f"mine = {n}")
    assert [box.run("mine").value for box in boxes] == list(range(50))


def test_interpreter_lock_is_free_while_the_guest_runs(sandbox):
    stop, gaps = threading.Event(), []

    def heartbeat():
        last = time.perf_counter()
        while not stop.is_set():
            time.sleep(0.005)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    thread = threading.Thread(target=heartbeat)
    thread.start()
    try:
        sandbox.run("import time\nend = time.monotonic() + 1\nwhile time.monotonic() < end: pass")
    finally:
        stop.set()
        thread.join()
    assert len(gaps) > 20
    assert max(gaps) < 0.5


def test_open_files_and_threads_do_not_grow_with_runs(sandbox):
    def count():
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))  # noqa: PTH208

    for _ in range(5):
        sandbox.run("1")
    before = count()
    for _ in range(50):
        sandbox.run("1")
        hypercell.Sandbox().close()
    assert count() == before


@pytest.mark.usefixtures("hypercell_with_image")
def test_ctrl_c_ends_an_endless_loop_at_once_and_the_sandbox_stays_usable():
    script = """
import hypercell, time
box = hypercell.Sandbox(limits=hypercell.Limits(wall_time_s=50), tools={'begin': lambda: print('started', flush=True)})
try:
    box.run("begin()\\nwhile True: pass")
except KeyboardInterrupt:
    print('interrupted', flush=True)
print(box.run('40 + 2').value)
"""
    process = _start(script)
    assert process.stdout.readline() == "started\n"
    time.sleep(0.2)
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SCRIPT_TIMEOUT_S)
    assert (out, err, process.returncode) == ("interrupted\n42\n", "", 0)
    assert time.monotonic() - before < 5


@pytest.mark.usefixtures("hypercell_with_image")
def test_ctrl_c_ends_a_tool_that_never_returns():
    script = """
import hypercell, threading
def hang():
    print('started', flush=True)
    threading.Event().wait()
box = hypercell.Sandbox(limits=hypercell.Limits(wall_time_s=50), tools=[hang])
try:
    box.run("hang()")
except KeyboardInterrupt:
    print('interrupted', flush=True)
"""
    process = _start(script)
    assert process.stdout.readline() == "started\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (out, err, process.returncode) == ("interrupted\n", "", 0)


@pytest.mark.usefixtures("hypercell_with_image")
def test_process_ends_while_another_thread_runs_a_sandbox():
    script = """
import hypercell, threading
started = threading.Event()
box = hypercell.Sandbox(limits=hypercell.Limits(wall_time_s=50), tools={'begin': started.set})
threading.Thread(target=box.run, args=["begin()\\nwhile True: pass"], daemon=True).start()
started.wait()
print('leaving', flush=True)
"""
    process = _start(script)
    out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == ("leaving\n", 0)


@pytest.mark.usefixtures("hypercell_with_image")
def test_host_killed_in_a_run_leaves_no_process_and_no_file(tmp_path):
    script = """
import hypercell
box = hypercell.Sandbox(limits=hypercell.Limits(wall_time_s=50), tools={'begin': lambda: print('started', flush=True)})
box.run("open('/tmp/x', 'wb').write(bytes(1 << 20))\\nbegin()\\nwhile True: pass")
"""
    process = _start(script, TMPDIR=str(tmp_path))
    assert process.stdout.readline() == "started\n"
    process.kill()
    process.communicate(timeout=10)
    assert _processes_of_session(process.pid) == []
    assert list(tmp_path.iterdir()) == []
    with hypercell.Sandbox() as box:
        assert box.run("1").value == 1


@pytest.mark.usefixtures("hypercell_with_image")
def test_sandbox_in_a_forked_child_does_not_hang():
    script = """
import os, sys, hypercell
box = hypercell.Sandbox()
box.run('1')
pid = os.fork()
if pid == 0:
    try:
        with hypercell.Sandbox() as own:
            os._exit(0 if own.run('2').value == 2 else 3)
    except hypercell.HypercellError:
        os._exit(0)
    finally:
        os._exit(4)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), box.run('3').value)
"""
    process = _start(script, PYTHONWARNINGS="ignore")
    out, err = process.communicate(timeout=30)
    assert (out, err) == ("0 3\n", "")


def _start(script: str, **environment: str) -> "subprocess.Popen[str]":
    # A shell that starts the tests in the background has them ignore Ctrl-C, and a child would too.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    return subprocess.Popen(
        [sys.executable, "-c", listen + script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **environment},
    )


def _processes_of_session(session: int) -> list[str]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(stat.parent.name)
    return found


def test_async_tool_ends_its_cleanup_after_its_run_was_given_up(make_sandbox):
    cleaned = threading.Event()

    async def slow():
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.15)
            cleaned.set()

    box = make_sandbox(tools=[slow])
    timer = threading.Timer(0.2, box.cancel)
    timer.start()
    with pytest.raises(hypercell.RunCancelledError):
        box.run("slow()")
    assert not cleaned.is_set(), "nobody waits so long"
    assert box.run("1").value == 1
    assert cleaned.wait(5)
    timer.join()
