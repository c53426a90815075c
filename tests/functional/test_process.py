"""What a program can do to its own process: leave, crash, or ask for more processes and for sockets."""

import re
import time

import pytest

import hypercell

ATTEMPT = """
def attempt(action):
    try:
        return ["done", repr(action())]
    except Exception as error:
        return [type(error).__name__, isinstance(error, (OSError, RuntimeError))]
"""


@pytest.mark.parametrize(
    "code", ["import sys; sys.exit()", "import sys; sys.exit(0)", "raise SystemExit", "quit()"]
)
def test_leaving_with_status_0_is_no_error(sandbox, code):
    result = sandbox.run("print('before')\n" + code + "\nprint('after')")
    assert (result.error, result.exit_code, result.stdout) == (None, 0, "before\n")
    assert sandbox.run("1").value == 1


@pytest.mark.parametrize(
    ("code", "message", "status"),
    [
        ("import sys; sys.exit(3)", "3", 3),
        ("import sys; sys.exit('went wrong')", "went wrong", 1),
        ("exit(4)", "4", 4),
    ],
)
def test_leaving_with_another_status_is_an_error_of_the_run(sandbox, code, message, status):
    result = sandbox.run("print('before')\n" + code + "\nprint('after')")
    assert (result.error.type, result.error.message, result.exit_code) == ("SystemExit", message, status)
    assert result.stdout == "before\n"
    assert sandbox.run("1").value == 1


def test_os_system_says_that_no_shell_could_be_started(sandbox):
    result = sandbox.run("import os\nos.waitstatus_to_exitcode(os.system('true'))")
    assert (result.error, result.value) == (None, 127)
    assert result.stderr == (
        "os.system: processes cannot be started here; threads can, and a tool can run a program on the host\n"
    )


def test_os_exit_ends_the_run_and_is_named(sandbox):
    result = sandbox.run("import os\nprint('before', flush=True)\nos._exit(7)\nprint('after')")
    assert (result.error.type, result.error.message, result.exit_code) == ("SystemExit", "os._exit(7)", 7)
    assert result.stdout == "before\n"
    assert sandbox.run("1").value == 1


def test_kept_state_lost_by_os_exit_is_an_error_until_reset(make_sandbox):
    box = make_sandbox(keep_state=True)
    box.run("kept = 1")
    box.run("import os; os._exit(0)")
    with pytest.raises(hypercell.SandboxPoisonedError):
        box.run("kept")
    box.reset()
    assert box.run("'kept' in globals()").value is False


def test_kept_state_survives_sys_exit(make_sandbox):
    box = make_sandbox(keep_state=True)
    box.run("kept = 1\nimport sys; sys.exit(1)")
    assert box.run("kept").value == 1


@pytest.mark.parametrize("kind", ["KeyboardInterrupt", "GeneratorExit", "StopIteration", "BaseException"])
def test_exceptions_outside_of_exception_are_errors_of_the_run(sandbox, kind):
    result = sandbox.run(f"raise {kind}('by the code')")
    assert (result.error.type, result.error.message) == (kind, "by the code")
    assert sandbox.run("1").value == 1


@pytest.mark.parametrize(
    "code",
    [
        "import ctypes; ctypes.string_at(0)",
        "import ctypes; ctypes.memset(0, 1, 8)",
        "import ctypes; ctypes.memset(8, 1, 8)",
        "import ctypes; ctypes.CFUNCTYPE(None)(0x1234)()",
        "import os; os.abort()",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import os, signal; signal.raise_signal(signal.SIGTERM)",
        "import ctypes; ctypes.string_at(0xFFFF_8000_0000_0000)",
        "import signal, time; signal.alarm(1); time.sleep(3)",
    ],
)
def test_fatal_signal_is_a_guest_crash_with_a_report_and_the_next_run_is_fine(sandbox, code):
    with pytest.raises(hypercell.GuestCrashError) as caught:
        sandbox.run("print('before', flush=True)\n" + code)
    assert caught.value.report
    assert caught.value.result.stdout == "before\n"
    assert sandbox.run("1").value == 1


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (1, "SIGHUP"),
        (10, "SIGUSR1"),
        (14, "SIGALRM"),
        (24, "SIGXCPU"),
        (31, "SIGSYS"),
        (34, "signal"),
        (64, "signal"),
    ],
)
def test_fatal_signal_is_named(sandbox, number, name):
    with pytest.raises(hypercell.GuestCrashError) as caught:
        sandbox.run(f"import os; os.kill(os.getpid(), {number})")
    assert caught.value.report.startswith(f"{name} ({number}): raised by the program itself\n")


def test_attempt_at_what_the_kernel_lacks_is_counted_once_however_often_the_host_is_asked(sandbox):
    code = """
import ctypes
libc = ctypes.CDLL(None)
for number in (29, 101, 29):
    libc.syscall(number, 0, 0, 0, 0)
    print(number, flush=True)
"""
    assert sandbox.run(code).unsupported_syscalls == {"shmget": 2, "ptrace": 1}


def test_report_of_a_fault_has_its_registers_where_they_point_and_the_mappings(sandbox):
    code = """
import ctypes, threading
def fault():
    ctypes.memset(0x1234_5670, 0, 1)
thread = threading.Thread(target=fault)
thread.start()
thread.join()
"""
    with pytest.raises(hypercell.GuestCrashError) as caught:
        sandbox.run(code)
    lines = caught.value.report.splitlines()
    first = re.fullmatch(r"SIGSEGV \(11\): write to address 0x12345670 at (0x\w+), vector 14", lines[0])
    assert first is not None
    assert lines[1] == "thread 2 of 2"
    registers = dict(re.findall(r"(\w+) +(0x\w{16})", "\n".join(lines[2:7])))
    assert set(registers) >= {"rip", "rsp", "rax", "rdi", *(f"r{number}" for number in range(8, 16))}
    # Those of the fault, not those of the handler that raised the signal again.
    assert int(registers["rip"], 16) == int(first[1], 16)
    assert lines[7] == "address in no mapping"
    assert re.fullmatch(r"rip in \w+-\w+ r-xp libc\.so\.6\+0x\w+", lines[8])
    assert re.fullmatch(r"rsp in \w+-\w+ rw-p", lines[9])
    assert lines[10] == "stack:"
    mappings = lines[lines.index("mappings:") + 1 :]
    assert [line for line in mappings if line.endswith("[stack]")] != []
    assert [line for line in mappings if not re.fullmatch(r"  \w+-\w+ [r-][w-][x-]p( \S+)?", line)] == []
    # The stack of Python is where the interpreter prints it.
    assert 'File "<code>", line 4 in fault' in caught.value.result.stderr


def test_report_of_a_program_with_many_mappings_is_bounded(sandbox):
    code = """
import ctypes, mmap
kept = [mmap.mmap(-1, 8192, prot=mmap.PROT_READ if n % 2 else mmap.PROT_READ | mmap.PROT_WRITE) for n in range(4000)]
ctypes.string_at(0)
"""
    with pytest.raises(hypercell.GuestCrashError) as caught:
        sandbox.run(code)
    assert len(caught.value.report) < 50_000
    assert re.fullmatch(r"  and \d+ more", caught.value.report.splitlines()[-1])


def test_overwriting_all_memory_harms_only_the_run(sandbox):
    code = """
import ctypes
for line in open('/proc/self/maps'):
    low, high = (int(part, 16) for part in line.split()[0].split('-'))
    if 'w' in line.split()[1] and 'stack' not in line:
        ctypes.memset(low, 0xCC, high - low)
"""
    with pytest.raises(hypercell.HypercellError):
        sandbox.run(code)
    assert sandbox.run("1").value == 1


@pytest.mark.parametrize(
    "action",
    [
        "__import__('os').fork()",
        "__import__('os').posix_spawn('/bin/true', ['true'], {})",
        "__import__('os').execv('/python/bin/python3', ['python3'])",
        "__import__('subprocess').run(['true'])",
        "__import__('subprocess').run('true', shell=True)",
        "__import__('subprocess').check_output([__import__('sys').executable, '-c', '1'])",
        "__import__('multiprocessing').Process(target=print).start()",
        "__import__('multiprocessing').Pool(1)",
        "__import__('concurrent.futures').futures.ProcessPoolExecutor().submit(print)",
        "__import__('socket').socket()",
        "__import__('socket').socket(__import__('socket').AF_UNIX)",
        "__import__('socket').socket(__import__('socket').AF_NETLINK, 3, 0)",
        "__import__('socket').socket(__import__('socket').AF_PACKET, 3)",
        "__import__('socket').create_connection(('127.0.0.1', 80), timeout=1)",
        "__import__('socket').getaddrinfo('example.org', 80)",
        "__import__('urllib.request').request.urlopen('http://127.0.0.1:1/')",
        "__import__('http.client').client.HTTPConnection('127.0.0.1', 80).request('GET', '/')",
    ],
)
def test_processes_and_sockets_raise_at_once(sandbox, action):
    before = time.monotonic()
    result = sandbox.run(ATTEMPT + f"attempt(lambda: {action})")
    assert time.monotonic() - before < 5
    assert result.error is None, result.error.traceback
    kind, typed = result.value
    assert (kind != "done", typed) == (True, True)


PRIVILEGED = {
    "ptrace": (101, 0, 0, 0, 0),
    "setuid": (105, 12345),
    "chroot": (161, b"/tmp"),
    "mount": (165, 0, 0, 0, 0),
    "reboot": (169, 0, 0, 0, 0),
    "init_module": (175, 0, 0, 0),
    "kexec_load": (246, 0, 0, 0, 0),
    "unshare": (272, 0x10000000),
    "bpf": (321, 0, 0, 0),
}


@pytest.mark.parametrize("name", PRIVILEGED)
def test_privileged_system_calls_fail(sandbox, name):
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
[libc.syscall(*arguments), ctypes.get_errno() > 0]
"""
    assert sandbox.run(code, inputs={"arguments": PRIVILEGED[name]}).value == [-1, True]


def test_system_call_that_is_not_there_is_named_in_the_diagnostics(sandbox):
    result = sandbox.run("import ctypes\nctypes.CDLL(None).syscall(449, 0, 0, 0, 0, 0)")
    assert result.value == -1
    assert result.unsupported_syscalls == {"futex_waitv": 1}


def test_unreachable_system_call_numbers_answer_an_errno(sandbox):
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
[libc.syscall(ctypes.c_long(n)) for n in (500, 9999, 2**31, 2**62, -1)]
"""
    assert sandbox.run(code).value == [-1] * 5


def test_processor_time_leaves_out_what_the_host_takes(make_sandbox):
    def wait() -> None:
        time.sleep(0.5)

    code = """
import time
before, used = time.monotonic(), time.process_time()
wait()
[time.monotonic() - before >= 0.5, time.process_time() - used < 0.3]
"""
    assert make_sandbox(tools=[wait]).run(code).value == [True, True]


def test_limit_of_processor_time_that_the_program_set_ends_it(make_sandbox):
    code = """
import resource, time
limit = int(time.process_time()) + 1
resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
while True:
    time.process_time()
"""
    with pytest.raises(hypercell.GuestCrashError, match=r"SIGXCPU|SIGKILL"):
        make_sandbox().run(code)
