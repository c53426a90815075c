"""`trace_syscalls`: what the submitted code asked of the guest's kernel, while somebody wants to know."""

import asyncio
import sys

import pytest

import hypercell

MISSING = "try: open('/tmp/\\x1b[31mmissing')\nexcept OSError: pass"


@pytest.fixture
def traced(make_sandbox):
    """Makes a sandbox, and the list of the calls that it hears of."""

    def make(**options):
        calls = []
        return make_sandbox(trace_syscalls=calls.append, **options), calls

    return make


def opened(calls):
    return [call for call in calls if call.name == "openat" and b"missing" in call.arguments[1]]


def test_opening_a_file_is_heard_of_with_its_path_and_its_result(traced):
    box, calls = traced()
    assert box.run(MISSING + "\nopen('/tmp/there', 'w').close()").error is None
    (missing,) = opened(calls)
    assert (missing.run, missing.thread, missing.number) == (1, 1, 257)
    assert (missing.arguments[1], missing.result, missing.error) == (b"/tmp/\x1b[31mmissing", -2, "ENOENT")
    (there,) = [call for call in calls if call.name == "openat" and call.arguments[1] == b"/tmp/there"]
    assert there.result > 2
    assert there.error is None
    assert calls[-1].name == "write", "the end of the run is the last thing that is said"
    assert calls == sorted(calls, key=lambda call: call.time)


def test_calls_that_the_kernel_lacks_are_heard_of_and_counted_once_each(traced):
    box, calls = traced()
    code = "import ctypes\nlibc = ctypes.CDLL(None)\nfor number in (9999, 29, 29, 101): libc.syscall(number, 1, 2, 3)"
    result = box.run(code)
    lacking = [(call.name, call.error) for call in calls if call.error in ("ENOSYS", "EPERM")]
    assert lacking == [
        ("syscall_9999", "ENOSYS"),
        ("shmget", "ENOSYS"),
        ("shmget", "ENOSYS"),
        ("ptrace", "EPERM"),
    ]
    assert result.unsupported_syscalls == {"syscall_9999": 1, "shmget": 2, "ptrace": 1}


def test_threads_are_told_apart_and_their_end_is_heard_of(traced):
    box, calls = traced()
    code = "import os, threading\nt = threading.Thread(target=os.stat, args=['/tmp'])\nt.start(); t.join()"
    assert box.run(code).error is None
    (clone,) = [call for call in calls if call.name == "clone3"]
    assert clone.thread == 1
    (end,) = [call for call in calls if call.name == "exit"]
    assert (end.thread, end.result) == (clone.result, None)
    assert {call.thread for call in calls} == {1, clone.result}


def test_end_of_the_process_is_heard_of_before_it(traced):
    box, calls = traced()
    assert box.run("import os\nos._exit(3)").exit_code == 3
    assert (calls[-1].name, calls[-1].arguments, calls[-1].result) == ("exit_group", (3,), None)


def test_calls_up_to_a_limit_of_time_are_heard_of(traced):
    box, calls = traced(limits=hypercell.Limits(wall_time_s=0.3))
    with pytest.raises(hypercell.TimeLimitError):
        box.run(MISSING + "\nwhile True: pass")
    assert len(opened(calls)) == 1


def test_paths_longer_than_256_bytes_are_cut_and_bad_pointers_are_numbers(traced):
    box, calls = traced()
    code = "import ctypes, os\nos.path.exists('/tmp/' + 'x' * 300)\nctypes.CDLL(None).chdir(ctypes.c_void_p(0x10))"
    assert box.run(code).error is None
    assert b"/tmp/" + b"x" * 251 in [call.arguments[1] for call in calls if call.name == "newfstatat"]
    (chdir,) = [call for call in calls if call.name == "chdir"]
    assert (chdir.arguments, chdir.error) == ((0x10,), "EFAULT")


def test_nothing_is_heard_of_unless_asked_for_whatever_ran_in_the_vm_before(make_sandbox, capfd):
    calls = []
    with hypercell.Pool(hypercell.Image.from_environment(), prepared=1, max_prepared=1) as pool:
        loud, quiet = make_sandbox(pool=pool, trace_syscalls=calls.append), make_sandbox(pool=pool)
        for _ in range(2):
            assert loud.run(MISSING).error is None
            heard = len(calls)
            usage = quiet.run(MISSING).usage
            assert len(calls) == heard
            assert usage.turns <= 3, "no call crosses to the host"
    assert [call.run for call in opened(calls)] == [1, 2]
    assert capfd.readouterr() == ("", "")


def test_kept_state_is_traced_in_each_run(traced):
    box, calls = traced(keep_state=True)
    for run in (1, 2):
        assert box.run(MISSING).error is None
        assert [call.run for call in opened(calls)] == list(range(1, run + 1))


@pytest.mark.parametrize("was_traced", [False, True])
@pytest.mark.parametrize("is_traced", [False, True])
def test_run_that_goes_on_from_a_snapshot_is_traced_if_its_sandbox_says_so(
    make_sandbox, was_traced, is_traced
):
    before, after = [], []
    box = make_sandbox(
        tools={"ask": lambda: 1}, pause_on=["ask"], trace_syscalls=before.append if was_traced else False
    )
    assert box.run("ask()\n" + MISSING).pending is not None
    snapshot = box.snapshot()
    options = {"trace_syscalls": after.append} if is_traced else {}
    with hypercell.Sandbox.from_snapshot(snapshot, tools={"ask": lambda: 1}, **options) as other:
        assert other.resume(1).error is None
    assert bool(before) is was_traced
    assert len(opened(after)) == is_traced
    assert box.resume(1).error is None
    assert len(opened(before)) == was_traced


def test_function_that_raises_is_reported_and_the_run_goes_on(make_sandbox, monkeypatch):
    raised = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: raised.append(report.exc_type))

    def fail(_call):
        raise ValueError("no")

    assert make_sandbox(trace_syscalls=fail).run(MISSING + "\n7").value == 7
    assert set(raised) == {ValueError}


def test_true_prints_escaped_lines_to_standard_error(make_sandbox, capfd):
    assert make_sandbox(trace_syscalls=True).run(MISSING + "\nprint('hello')").stdout == "hello\n"
    printed = capfd.readouterr()
    assert printed.out == ""
    (line,) = [line for line in printed.err.splitlines() if "missing" in line]
    assert line.startswith('[1] openat(-100, "/tmp/\\x1b[31mmissing", ')
    assert ") = -1 ENOENT <" in line
    assert "\x1b" not in printed.err


def test_async_sandbox_traces_too(hypercell_with_image):
    calls = []

    async def main():
        async with hypercell.AsyncSandbox(trace_syscalls=calls.append) as box:
            await box.run(MISSING)

    asyncio.run(main())
    assert len(opened(calls)) == 1
