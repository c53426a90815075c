"""Prepared VMs: shared pools, a sandbox's own, and the one that nobody asks for."""

import json
import subprocess
import sys
import threading

import pytest

import hypercell

pytestmark = pytest.mark.usefixtures("hypercell_with_image")

RANDOM = "import os, random, uuid\n[os.urandom(8), random.random(), uuid.uuid4()]"


@pytest.fixture
def pool():
    with hypercell.Pool(prepared=2, max_prepared=2) as pool:
        yield pool


def run_ready(pool, box, code):
    """Runs code in a VM that was prepared."""
    assert pool.wait_ready()
    hits = pool.stats().hits
    result = box.run(code)
    assert pool.stats().hits == hits + 1
    return result


def test_prepared_vm_runs_what_a_new_one_runs(pool):
    with hypercell.Sandbox(pool=pool) as box, hypercell.Sandbox(prepared=0) as new:
        code = "import sys\nprint(sorted(globals()))\n[sys.argv, __name__, sorted(sys.modules), sys.flags]"
        prepared, fresh = run_ready(pool, box, code), new.run(code)
    assert (prepared.stdout, prepared.value, prepared.error) == (fresh.stdout, fresh.value, fresh.error)


def test_nothing_of_a_run_is_seen_by_the_next(pool):
    leave = """
import builtins, os, sys, json
x = builtins.left = json.left = 1
sys.modules["left"] = sys
open("/tmp/left", "w").write("x")
os.chdir("/python"); os.environ["LEFT"] = "1"; sys.setrecursionlimit(500)
"""
    look = """
import builtins, os, sys, json
[hasattr(builtins, "left"), hasattr(json, "left"), "left" in sys.modules, "x" in globals(),
 os.path.exists("/tmp/left"), os.getcwd() == "/python", "LEFT" in os.environ, sys.getrecursionlimit() == 500]
"""
    with hypercell.Sandbox(pool=pool) as first, hypercell.Sandbox(pool=pool) as second:
        for _ in range(4):
            run_ready(pool, first, leave).raise_for_error()
            assert run_ready(pool, second, look).value == [False] * 8


def test_prepared_vms_do_not_share_random_numbers(pool):
    with hypercell.Sandbox(pool=pool) as box:
        drawn = [value for _ in range(6) for value in run_ready(pool, box, RANDOM).value]
    assert len(set(drawn)) == len(drawn)


def test_sandboxes_of_one_pool_have_their_own_tools_limits_and_hooks(pool):
    seen = []
    small = hypercell.Limits(output_bytes=10)
    with (
        hypercell.Sandbox({"name": lambda: "a"}, pool=pool, on_audit=seen.append) as first,
        hypercell.Sandbox({"name": lambda: "b", "more": lambda: 1}, pool=pool, limits=small) as second,
    ):
        for _ in range(3):
            assert run_ready(pool, first, "name()").value == "a"
            assert run_ready(pool, first, "more()").error.type == "NameError"
            assert run_ready(pool, second, "name(), more()").value == ("b", 1)
            with pytest.raises(hypercell.OutputLimitError):
                second.run("print('x' * 20)")
            assert run_ready(pool, first, "print('x' * 20)").stdout == "x" * 20 + "\n"
    assert {event.name for event in seen if event.event == "tool_allowed"} == {"name"}


def test_prepared_vm_has_copied_what_a_least_run_writes(pool):
    with hypercell.Sandbox(pool=pool) as box:
        usage = run_ready(pool, box, "1+1").usage
    assert usage.page_faults <= 1
    # 0.8 MB on CPython 3.11; the frames of page tables that the host made are not counted.
    assert usage.memory_peak_bytes < 1_100_000


def test_vm_that_was_stopped_is_replaced(pool):
    limits = hypercell.Limits(wall_time_s=0.2)
    with hypercell.Sandbox(pool=pool, limits=limits) as box:
        for _ in range(4):
            with pytest.raises(hypercell.TimeLimitError):
                box.run("while True: pass")
            assert run_ready(pool, box, "1 + 1").value == 2


def test_memory_limit_of_a_sandbox_holds_in_a_prepared_vm(pool):
    bomb = "b = bytearray(40 << 20)\nlen(b)"
    with (
        hypercell.Sandbox(pool=pool, limits=hypercell.Limits(memory_bytes=32 << 20)) as small,
        hypercell.Sandbox(pool=pool) as large,
    ):
        for _ in range(2):
            assert run_ready(pool, small, bomb).error.type == "MemoryError"
            assert run_ready(pool, large, bomb).value == 40 << 20


def test_kept_state_stays_in_a_vm_of_a_pool(pool):
    with hypercell.Sandbox(pool=pool, keep_state=True) as box:
        box.run("x = 1")
        assert box.run("x += 1\nx").value == 2
        assert pool.wait_ready()
        assert pool.stats().leased == 0
        box.reset()
        assert box.run("'x' in globals()").value is False


def test_many_threads_share_a_pool(pool):
    wrong = []

    def work(number):
        with hypercell.Sandbox({"me": lambda: number}, pool=pool) as box:
            for _ in range(10):
                value = box.run("x = me()\nx").value
                if value != number:
                    wrong.append((number, value))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert pool.wait_ready()
    stats = pool.stats()
    assert (stats.ready, stats.leased, stats.hits + stats.misses) == (2, 0, 60)


def test_closed_pool_refuses_runs():
    pool = hypercell.Pool(prepared=1)
    box = hypercell.Sandbox(pool=pool)
    assert box.run("1").value == 1
    pool.close()
    pool.close()
    with pytest.raises(hypercell.SandboxClosedError, match="the pool of this sandbox is closed"):
        box.run("1")
    assert (pool.closed, pool.wait_ready(0), pool.stats().ready) == (True, False, 0)


def test_sandbox_with_prepared_vms_of_its_own():
    with hypercell.Sandbox(prepared=2) as box:
        assert [box.run("1 + 1").value for _ in range(5)] == [2] * 5
    with pytest.raises(hypercell.SandboxClosedError):
        box.run("1")


def test_sandboxes_share_the_pool_of_their_image():
    image = hypercell.Image.from_environment()
    with hypercell.Sandbox(image=image) as first, hypercell.Sandbox(image=image) as second:
        assert first.run("1").value == second.run("1").value == 1
        assert image._pool is not None
        stats = image._pool.stats()
        assert stats.hits + stats.misses == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prepared": -1}, "prepared is -1, which is not from 0 to 1024"),
        ({"prepared": "2"}, "prepared must be int, got str"),
        ({"prepared": True}, "prepared must be int, got bool"),
        ({"prepared": 2000}, "prepared is 2000, which is not from 0 to 1024"),
        ({"pool": 3}, "pool must be a Pool, got int"),
    ],
)
def test_option_that_cannot_be_is_refused(options, message):
    with pytest.raises(hypercell.PolicyError) as caught:
        hypercell.Sandbox(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prepared": 3, "max_prepared": 2}, "max_prepared is 2, which is not from 3 to 1024"),
        ({"prepared": 10**30}, f"prepared is {10**30}, which is not from 0 to 1024"),
        ({"max_prepared": 1.5}, "max_prepared must be int, got float"),
        ({"image": "x"}, "image must be an Image or a Snapshot, got str"),
    ],
)
def test_pool_that_cannot_be_is_refused(options, message):
    with pytest.raises(hypercell.PolicyError) as caught:
        hypercell.Pool(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf"), "1", None])
def test_time_that_is_none_is_refused(pool, timeout):
    with pytest.raises(hypercell.PolicyError):
        pool.wait_ready(timeout)


def test_pool_brings_image_and_prepared_vms_alone(pool):
    for options in ({"prepared": 1}, {"image": hypercell.Image.from_environment()}):
        with pytest.raises(hypercell.PolicyError, match="pool brings its own"):
            hypercell.Sandbox(pool=pool, **options)
    hypercell.Sandbox(pool=pool, image=pool.image).close()


def test_runs_leave_no_memory_descriptors_or_threads():
    # In a process of its own: what other tests leave to be prepared would count.
    script = """
import json, os, sys, threading
from pathlib import Path
import hypercell
def held():
    rollup = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    pss = next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return len(os.listdir("/proc/self/fd")), threading.active_count(), pss
figures = []
with hypercell.Pool(prepared=2, max_prepared=2) as pool, hypercell.Sandbox(pool=pool) as box:
    for runs in (20, 300):
        for _ in range(runs):
            box.run("1 + 1")
        assert pool.wait_ready()
        figures.append(held())
json.dump(figures, sys.stdout)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    before, after = json.loads(done.stdout)
    assert after[:2] <= before[:2]
    assert after[2] < before[2] + 2048


def test_forked_child_runs_in_vms_of_its_own():
    script = """
import hypercell, os, warnings
warnings.simplefilter("ignore")
pool = hypercell.Pool(prepared=2)
box, plain = hypercell.Sandbox(pool=pool), hypercell.Sandbox()
assert pool.wait_ready() and box.run("1").value == plain.run("1").value == 1
child = os.fork()
if child == 0:
    ok = box.run("2").value == 2 and plain.run("3").value == 3
    with hypercell.Sandbox() as own, hypercell.Pool(prepared=1) as other:
        ok = ok and own.run("4").value == 4 and other.wait_ready()
    pool.close()
    os._exit(0 if ok else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert pool.wait_ready() and box.run("5").value == plain.run("6").value - 1 == 5
print("both")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("both\n", 0), done.stderr


def test_process_ends_while_vms_are_being_prepared():
    script = """
import hypercell
pool = hypercell.Pool(prepared=20)
box = hypercell.Sandbox(pool=pool)
print(box.run('1').value)
"""
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", 0)
