"""The command line: `hypercell run`, `hypercell image`, `hypercell doctor` and `hypercell bench`."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("hypercell_with_image")


@pytest.fixture
def cli():
    """Runs the installed command with arguments."""
    command = Path(sys.executable).with_name("hypercell")
    assert command.is_file() or shutil.which("hypercell"), "the hypercell command is not installed"

    def run(*arguments, stdin=""):
        return subprocess.run(
            [str(command), *arguments], input=stdin, capture_output=True, text=True, timeout=100
        )

    return run


def test_run_prints_output_and_value(cli):
    done = cli("run", "-c", "print('hello')\n2**100")
    assert (done.stdout, done.stderr, done.returncode) == ("hello\n1267650600228229401496703205376\n", "", 0)


def test_run_prints_no_value_where_there_is_none(cli):
    done = cli("run", "-c", "print('hello')")
    assert (done.stdout, done.stderr, done.returncode) == ("hello\n", "", 0)


def test_run_takes_a_file_and_names_it_in_tracebacks(cli, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import sys\nprint('out')\nprint('err', file=sys.stderr)\n\n1 / 0\n", encoding="utf-8")
    done = cli("run", str(program))
    assert (done.stdout, done.returncode) == ("out\n", 1)
    lines = done.stderr.splitlines()
    assert lines[:2] == ["err", "Traceback (most recent call last):"]
    assert lines[2].startswith("  File ")
    assert lines[2].endswith(", line 5, in <module>")
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_run_passes_the_exit_status_on(cli):
    assert cli("run", "-c", "import sys; sys.exit(7)").returncode == 7
    assert cli("run", "-c", "import sys; sys.exit()").returncode == 0


def test_run_with_strace_prints_system_calls_to_standard_error_only(cli):
    done = cli("run", "--strace", "-c", "import os\nprint(os.path.exists('/tmp/missing'))")
    assert (done.stdout, done.returncode) == ("False\n", 0)
    (line,) = [line for line in done.stderr.splitlines() if '"/tmp/missing"' in line]
    assert line.startswith("[1] newfstatat(")
    assert " = -1 ENOENT <" in line


def test_run_of_a_missing_file_is_a_short_error(cli, tmp_path):
    done = cli("run", str(tmp_path / "none.py"))
    assert done.returncode == 2
    assert "none.py" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_of_a_syntax_error_shows_the_line(cli):
    done = cli("run", "-c", "x = (")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("SyntaxError: ")


def test_run_at_a_limit_is_a_short_error(cli):
    done = cli("run", "-c", "import ctypes; ctypes.string_at(0)")
    assert done.returncode not in (0, 1)
    assert "Traceback" not in done.stderr


def test_run_needs_code_or_a_file(cli):
    assert cli("run").returncode == 2
    assert cli("run", "-c", "1", "file.py").returncode == 2
    assert cli().returncode == 2


def test_doctor_passes_here_and_names_each_check(cli):
    done = cli("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) >= 4


def test_module_and_command_are_the_same(cli):
    done = subprocess.run(
        [sys.executable, "-m", "hypercell", "run", "-c", "40 + 2"],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.stdout, done.returncode) == (cli("run", "-c", "40 + 2").stdout, 0)


def test_version_is_the_packages(cli, hypercell_with_image):
    assert hypercell_with_image.__version__ in cli("--version").stdout


def test_bench_takes_a_vm_through_the_phases_of_a_start(cli, tmp_path):
    figures = tmp_path / "figures.json"
    done = cli("bench", "phase/", "--quick", "--json", str(figures))
    assert done.returncode == 0, done.stderr
    cases = json.loads(figures.read_text())["cases"]
    phases = "create_vm first_entry first_run second_run restore restored_entry restored_run drop"
    assert list(cases) == [f"phase/{phase}" for phase in phases.split()]
    assert all(case["median"] > 0 for case in cases.values())


def test_run_reaches_what_it_is_allowed_to_and_nothing_else(cli, http_server):
    code = f"import urllib.request\nurllib.request.urlopen('{http_server.url}/bytes/3').read()"
    done = cli("run", "--allow", "example.org", "--allow", f"GET,HEAD {http_server.url}", "-c", code)
    assert (done.stdout, done.stderr, done.returncode) == ("b'\\x00\\x01\\x02'\n", "", 0)
    done = cli("run", "--allow", f"PUT {http_server.url}", "-c", code)
    assert (done.stdout, done.returncode) == ("", 1)
    assert f'the rule "{http_server.url}" allows the methods PUT only' in done.stderr


def test_run_with_a_domain_that_cannot_be_is_a_short_error(cli):
    done = cli("run", "--allow", "*.org", "-c", "1")
    message = 'hypercell: the domain "*.org" has a * in front of what is no domain with a dot\n'
    assert (done.stdout, done.stderr, done.returncode) == ("", message, 2)


def test_run_mounts_what_is_named_and_leaves_the_files_of_output(cli, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "a.txt").write_text("data")
    code = "open('/output/b.txt', 'w').write(open('/in/a.txt').read())"
    done = cli("run", "-c", code, "--mount", f"{tmp_path / 'in'}:/in", "--output-dir", str(tmp_path / "out"))
    assert (done.stdout, done.stderr, done.returncode) == ("4\n", "", 0)
    assert (tmp_path / "out" / "b.txt").read_text() == "data"
    denied = cli("run", "-c", "open('/in/a.txt', 'w')", "--mount", f"{tmp_path / 'in'}:/in")
    assert denied.returncode == 1
    assert denied.stderr.splitlines()[-1] == "OSError: [Errno 30] Read-only file system: '/in/a.txt'"


def test_image_commands_build_show_export_import_and_prune(monkeypatch, cli, tmp_path):
    monkeypatch.setenv("HYPERCELL_CACHE_DIR", str(tmp_path / "cache"))
    built = cli("image", "build", "packaging", "--warm", "packaging.version")
    assert built.returncode == 0, built.stderr
    digest = built.stdout.strip()
    listed = cli("image", "list").stdout.splitlines()
    assert listed[0].startswith(f"{digest[:12]}  python ")
    assert listed[0].endswith("  packaging")
    assert re.search(r" +\d+ MiB +\d+\.\d s  ", listed[0])
    assert listed[1].startswith("1 images, ")
    assert re.fullmatch(r"\d+ MiB of byte code for further builds", listed[2])
    shown = cli("image", "show", digest[:6]).stdout
    assert digest in shown
    assert "packages        packaging==" in shown
    assert re.search(r"^size +\d+\.\d MiB, \d+\.\d MiB of it files$", shown, re.MULTILINE)
    assert re.search(r"^built +in \d+\.\d s$", shown, re.MULTILINE)
    file = tmp_path / "file"
    exported = cli("image", "export", digest[:12], str(file)).stdout.strip()

    (metadata,) = (tmp_path / "cache" / "images").glob("*/image.json")
    metadata.write_text("")
    rebuilt = cli("image", "build", "packaging", "--warm", "packaging.version")
    assert (rebuilt.stdout.strip(), rebuilt.returncode) == (digest, 0)
    assert rebuilt.stderr.startswith(
        f"hypercell: image {digest} in the cache is damaged and is built again: "
    )
    assert rebuilt.stderr.count("\n") == 1

    monkeypatch.setenv("HYPERCELL_CACHE_DIR", str(tmp_path / "other"))
    assert cli("image", "import", str(file), "--digest", exported).stdout.strip() == exported
    ran = cli("run", "--image", exported[:12], "-c", "import packaging.version as v\nstr(v.Version('1.0'))")
    assert (ran.stdout, ran.stderr, ran.returncode) == ("'1.0'\n", "", 0)
    refused = cli("image", "import", str(file), "--digest", "0" * 64)
    assert refused.returncode == 3
    assert f"has SHA-256 {exported}, not {'0' * 64}" in refused.stderr
    assert cli("image", "prune", "--unused-for", "1").stdout == "0 images removed, 0 MiB\n"
    assert cli("image", "prune", "--all").stdout.startswith(exported[:12])
    assert cli("image", "list").stdout == "0 images, 0 MiB\n"
    assert cli("image", "show", exported).returncode == 3


@pytest.mark.parametrize("days", ["x", "nan", "inf", "1e30", "-1"])
def test_prune_for_no_time_removes_nothing(monkeypatch, cli, tmp_path, days):
    (tmp_path / "images" / ("0" * 64)).mkdir(parents=True)
    monkeypatch.setenv("HYPERCELL_CACHE_DIR", str(tmp_path))
    refused = cli("image", "prune", f"--unused-for={days}")
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert (tmp_path / "images" / ("0" * 64)).is_dir()
