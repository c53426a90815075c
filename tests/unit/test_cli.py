"""The command line without a VM: what it prints and exits with for each outcome of a run."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hypercell
from hypercell import _cli
from hypercell._result import File, GuestError, RunResult


@pytest.fixture(autouse=True)
def _same_number_of_digits_afterwards():
    before = getattr(sys, "get_int_max_str_digits", int)()
    yield
    getattr(sys, "set_int_max_str_digits", int)(before)


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command line with a sandbox whose runs end as `outcome` says."""
    seen = []

    def call(*arguments, outcome=None):
        class Sandbox:
            def __init__(self, **options):
                seen.append(options)

            def __enter__(self):
                return self

            def __exit__(self, *_):
                pass

            def run(self, code, *, filename=None):
                seen.append((code, filename))
                if isinstance(outcome, BaseException):
                    raise outcome
                return outcome or RunResult()

        monkeypatch.setattr(_cli, "Sandbox", Sandbox)
        status = _cli.main(arguments)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    call.seen = seen
    return call


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (RunResult(), (0, "", "")),
        (RunResult(value=2, stdout="a\n", stderr="b"), (0, "a\n2\n", "b")),
        (RunResult(value="x", stdout="no newline"), (0, "no newline\n'x'\n", "")),
        (RunResult(stdout="no newline"), (0, "no newline", "")),
        (RunResult(stdout="\ud800é\n", value="\udcff"), (0, "\\ud800é\n'\\udcff'\n", "")),
        (RunResult(error=GuestError("E", "m", "Traceback:\nE: m\n", 1)), (1, "", "Traceback:\nE: m\n")),
        (RunResult(error=GuestError("SystemExit", "7", "Traceback\n", 1), exit_code=7), (7, "", "")),
        (RunResult(exit_code=0, stdout="bye\n"), (0, "bye\n", "")),
    ],
)
def test_run_prints_what_the_program_left(run, result, expected):
    assert run("run", "-c", "code", outcome=result) == expected


def test_value_with_thousands_of_digits_is_printed(run):
    status, out, _ = run("run", "-c", "10**5000", outcome=RunResult(value=10**5000))
    assert (status, len(out)) == (0, 5002)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (hypercell.PolicyError("code holds\na NUL"), 2),
        (hypercell.SandboxUnavailableError("code holds\na NUL"), 3),
        (hypercell.TimeLimitError("code holds\na NUL"), 3),
        (hypercell.GuestCrashError("code holds\na NUL", report="registers"), 3),
    ],
)
def test_error_of_ours_is_one_line(run, error, status):
    assert run("run", "-c", "code", outcome=error) == (status, "", "hypercell: code holds a NUL\n")


def test_output_before_a_limit_is_printed(run):
    error = hypercell.TimeLimitError("too long")
    error.result = RunResult(stdout="so far\n", stderr="and this\n")
    assert run("run", "-c", "code", outcome=error) == (3, "so far\n", "and this\nhypercell: too long\n")


def test_interrupt_exits_as_the_shell_expects(run):
    assert run("run", "-c", "code", outcome=KeyboardInterrupt()) == (130, "", "")


def test_options_become_limits(run):
    run("run", "-c", "code", "--wall-time", "2.5", "--memory-mib", "64")
    assert run.seen == [
        {
            "domains": [],
            "limits": hypercell.Limits(wall_time_s=2.5, memory_bytes=64 << 20),
            "image": None,
            "mounts": [],
            "output_dir": None,
            "trace_syscalls": False,
        },
        ("code", "<string>"),
    ]


def test_allow_becomes_domains(run):
    run("run", "-c", "code", "--allow", "api.github.com", "--allow", "GET,HEAD http://localhost:8000/a")
    domains = [
        hypercell.Domain("api.github.com"),
        hypercell.Domain("http://localhost:8000/a", ("GET", "HEAD")),
    ]
    assert run.seen[0] == {
        "domains": domains,
        "limits": hypercell.Limits(),
        "image": None,
        "mounts": [],
        "output_dir": None,
        "trace_syscalls": False,
    }


def test_strace_has_system_calls_traced(run):
    run("run", "-c", "code", "--strace")
    assert run.seen[0]["trace_syscalls"] is True


def test_mounts_are_host_guest_and_mode(run):
    mounts = ["--mount", "/data", "--mount", "/data:/input", "--mount", "/w:/work:rw", "--mount", "/x::ro"]
    run("run", "-c", "code", *mounts, "--output-dir", "out")
    assert run.seen[0] == {
        "domains": [],
        "limits": hypercell.Limits(),
        "image": None,
        "mounts": [
            hypercell.Mount("/data"),
            hypercell.Mount("/data", "/input"),
            hypercell.Mount("/w", "/work", mode="rw"),
            hypercell.Mount("/x"),
        ],
        "output_dir": Path("out"),
        "trace_syscalls": False,
    }


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        ("/a:/b:x", "--mount '/a:/b:x' ends with 'x', which is neither ro nor rw"),
        ("/a:/b:rw:c", "--mount '/a:/b:rw:c' ends with 'rw:c', which is neither ro nor rw"),
        ("", "host of a mount cannot be ''"),
    ],
)
def test_mount_that_cannot_be_is_a_usage_error(run, mount, message):
    assert run("run", "-c", "code", "--mount", mount) == (2, "", f"hypercell: {message}\n")


def test_option_out_of_range_is_a_usage_error(run):
    status, out, err = run("run", "-c", "code", "--wall-time", "-1")
    assert (status, out, err) == (
        2,
        "",
        "hypercell: wall_time_s must be above 0 and at most 31622400, got -1.0\n",
    )
    assert run.seen == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"1 + 1\n", "1 + 1\n"),
        ("'é'".encode(), "'é'"),
        (b"\xef\xbb\xbf1", "1"),
        ("# coding: latin-1\n'é'".encode("latin-1"), "# coding: latin-1\n'é'"),
    ],
)
def test_file_is_read_as_python_reads_it(run, tmp_path, data, code):
    file = tmp_path / "program.py"
    file.write_bytes(data)
    assert run("run", str(file))[0] == 0
    assert run.seen[1] == (code, str(file))


def test_dash_reads_standard_input(run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("'ü'".encode())))
    assert run("run", "-")[0] == 0
    assert run.seen[1] == ("'ü'", "<stdin>")


@pytest.mark.parametrize("data", [None, b"\xff", b"# coding: nonsense\n", b"#" * (1 << 20) + b"\n"])
def test_file_that_cannot_be_read_is_a_usage_error(run, tmp_path, data):
    file = tmp_path / "program.py"
    if data is not None:
        file.write_bytes(data)
    status, out, err = run("run", str(file))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("hypercell: cannot read the program: ")


@pytest.mark.parametrize(
    "arguments", [[], ["run"], ["run", "-c", "1", "f.py"], ["walk"], ["run", "-c", "1", "--wall-time", "x"]]
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        _cli.main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: hypercell")


def test_version_is_the_packages(capsys):
    with pytest.raises(SystemExit) as caught:
        _cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"hypercell {hypercell.__version__}\n"


def test_json_has_the_whole_result(run):
    result = RunResult(
        value={"a": [1, None]},
        stdout="o",
        stderr="e",
        error=GuestError("E", "m", "tb", 3),
        files={"a.txt": File("a.txt", 1, "text/plain", b"x")},
        unsupported_syscalls={"fork": 1},
    )
    status, out, err = run("run", "--json", "-c", "code", outcome=result)
    shown = json.loads(out)
    assert (status, err, out.count("\n")) == (1, "", 1)
    assert shown.pop("usage")["tool_calls"] == 0
    assert shown == {
        "value": {"a": [1, None]},
        "repr": "{'a': [1, None]}",
        "stdout": "o",
        "stderr": "e",
        "error": {"type": "E", "message": "m", "traceback": "tb", "line": 3},
        "failure": None,
        "exit_code": None,
        "files": [{"path": "a.txt", "size": 1, "media_type": "text/plain"}],
        "unsupported_syscalls": {"fork": 1},
    }


@pytest.mark.parametrize("value", [{1, 2}, b"x", float("nan"), {(1, 2): 3}])
def test_value_that_json_cannot_hold_is_there_as_repr(run, value):
    shown = json.loads(run("run", "--json", "-c", "code", outcome=RunResult(value=value))[1])
    assert (shown["value"], shown["repr"]) == (None, repr(value))


def test_json_has_the_failure_and_what_came_before_it(run):
    error = hypercell.GuestCrashError("signal 11", report="rip=0\nrsp=1")
    error.result = RunResult(stdout="so far\n")
    status, out, err = run("run", "--json", "-c", "code", outcome=error)
    shown = json.loads(out)
    assert (status, err, shown["stdout"]) == (3, "hypercell: signal 11\n", "so far\n")
    assert shown["failure"] == {"type": "GuestCrashError", "message": "signal 11", "report": "rip=0\nrsp=1"}


def test_reader_that_leaves_early_sees_no_traceback():
    code = (
        "import sys\n"
        "from hypercell import _cli\n"
        "from hypercell._result import RunResult\n"
        "_cli._run = lambda options: _cli._show(RunResult(stdout='x' * 1_000_000), None)\n"
        "sys.exit(_cli.main(['run', '-c', '1']))\n"
    )
    # Unbuffered streams lose what a pipe does not take at once, without an error.
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=buffered) as child:
        child.stdout.read(1)
        child.stdout.close()
        assert (child.stderr.read(), child.wait()) == (b"", 1)


# doctor


class Native:
    def __init__(self, *checks):
        self.checks = checks

    def preflight(self, *, cache_dir):
        assert cache_dir
        return [dict(zip(("name", "ok", "detail", "fix"), check, strict=True)) for check in self.checks]


class SomeImage:
    python_version = "3.11.7"
    size_bytes = 50 << 20
    path = "/cache/images/abc"


@pytest.fixture
def machine(monkeypatch):
    """A machine on which everything is as it must be."""
    monkeypatch.setattr(
        _cli, "native", lambda: Native(("platform", True, "linux", ""), ("hypervisor", True, "here", ""))
    )
    monkeypatch.setattr(_cli, "default_image", SomeImage)
    return monkeypatch


def test_doctor_names_each_check(run, machine):
    del machine
    status, out, err = run("doctor", outcome=RunResult(value=2))
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert [line[: line.index(":")] for line in lines] == [
        "ok    version",
        "ok    platform",
        "ok    hypervisor",
        "ok    image",
        "ok    self-test",
    ]
    assert lines[3].startswith("ok    image: Python 3.11.7, 50 MiB in /cache/images/abc, ready in ")
    assert lines[4].startswith("ok    self-test: 1 + 1 is 2 in a micro-VM, in ")


def test_doctor_says_what_to_do_and_checks_the_machine_to_the_end(run, machine):
    checks = ("hypervisor", False, "no /dev/kvm", "load the module"), ("cache", True, "here", "")
    machine.setattr(_cli, "native", lambda: Native(*checks))
    status, out, _ = run("doctor")
    assert status == 1
    assert out.splitlines()[1:] == [
        "FAIL  hypervisor: no /dev/kvm",
        "      to do: load the module",
        "ok    cache: here",
    ]


def test_doctor_without_the_native_module_says_so(run, machine):
    def native():
        raise hypercell.SandboxUnavailableError("no native module; install a wheel")

    machine.setattr(_cli, "native", native)
    status, out, _ = run("doctor")
    assert (status, out.splitlines()[1:]) == (1, ["FAIL  native module: no native module; install a wheel"])


def test_doctor_shows_an_image_that_cannot_be_made(run, machine):
    def fail():
        raise hypercell.ImageError("cannot use the image cache")

    machine.setattr(_cli, "default_image", fail)
    status, out, _ = run("doctor", outcome=RunResult(value=2))
    assert (status, out.splitlines()[-1]) == (1, "FAIL  image: cannot use the image cache")


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (RunResult(value=3), "FAIL  self-test: 1 + 1 gave 3, not 2; please report this"),
        (hypercell.TimeLimitError("too long"), "FAIL  self-test: too long"),
    ],
)
def test_doctor_shows_a_self_test_that_fails(run, machine, outcome, line):
    del machine
    status, out, _ = run("doctor", outcome=outcome)
    assert (status, out.splitlines()[-1]) == (1, line)
