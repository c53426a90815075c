"""The file system that a program sees: read-only image, private /tmp, nothing of the host."""

import os
import sys

import pytest


def test_image_is_read_only(sandbox):
    code = """
import errno, os, sys
seen = {}
def attempt(name, action):
    try:
        action()
        seen[name] = "done"
    except OSError as error:
        seen[name] = errno.errorcode[error.errno]
lib = os.path.dirname(os.__file__)
attempt("create", lambda: open(lib + "/new.py", "w"))
attempt("create in root", lambda: open("/new", "w"))
attempt("write", lambda: open(os.__file__, "r+"))
attempt("append", lambda: open(os.__file__, "a"))
attempt("unlink", lambda: os.unlink(os.__file__))
attempt("rename", lambda: os.rename(os.__file__, "/tmp/os.py"))
attempt("mkdir", lambda: os.mkdir(lib + "/folder"))
attempt("rmdir", lambda: os.rmdir(lib + "/json"))
attempt("chmod", lambda: os.chmod(os.__file__, 0o777))
attempt("symlink", lambda: os.symlink("/tmp", lib + "/link"))
attempt("truncate", lambda: os.truncate(os.__file__, 0))
attempt("utime", lambda: os.utime(os.__file__))
[seen, len(open(os.__file__).read()) > 1000]
"""
    seen, readable = sandbox.run(code).value
    assert seen == dict.fromkeys(seen, "EROFS") | {
        "rename": "EXDEV" if seen["rename"] == "EXDEV" else "EROFS"
    }
    assert readable


def test_working_directory_and_home_are_tmp(sandbox):
    assert sandbox.run("import os\n[os.getcwd(), os.path.expanduser('~'), os.listdir('/tmp')]").value == [
        "/tmp",
        "/tmp",
        [],
    ]


def test_root_holds_the_documented_folders(sandbox):
    listed = sandbox.run("import os\nsorted(os.listdir('/'))").value
    expected = {"dev", "etc", "guest", "lib", "output", "proc", "python", "sys", "tmp"}
    assert set(listed) - {"usr", "lib64"} == expected


def test_interpreter_is_the_callers_own(sandbox):
    code = "import sys\n[sys.version, sys.prefix, sys.base_prefix, sys.executable, sys.flags.no_user_site]"
    version, prefix, base_prefix, executable, _ = sandbox.run(code).value
    assert version == sys.version
    assert (prefix, base_prefix) == ("/python", "/python")
    assert executable == f"/python/bin/python{sys.version_info[0]}.{sys.version_info[1]}"


def test_files_of_the_host_are_not_there(sandbox, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    paths = [
        str(secret),
        __file__,
        "/etc/shadow",
        "/root",
        "/home",
        "/var",
        "/sys/class",
        "/boot",
        "/proc/1/environ",
    ]
    result = sandbox.run(
        "import os\n[path for path in paths if os.path.exists(path)]", inputs={"paths": paths}
    )
    assert set(result.value) <= {"/proc/1/environ"}


def test_environment_of_the_host_is_not_there(sandbox, monkeypatch):
    monkeypatch.setenv("HYPERCELL_TEST_SECRET", "hidden")
    os.environ["HYPERCELL_TEST_SECRET_2"] = "hidden"
    try:
        environment = sandbox.run("import os\ndict(os.environ)").value
    finally:
        del os.environ["HYPERCELL_TEST_SECRET_2"]
    assert set(environment) <= {
        "HOME", "LANG", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH",
    }  # fmt: skip
    assert "hidden" not in environment.values()


def test_packages_of_the_host_are_not_there_unless_chosen(sandbox):
    assert pytest.__version__
    assert sandbox.run("import pytest").error.type == "ModuleNotFoundError"
    assert sandbox.run("import hypercell").error.type == "ModuleNotFoundError"


def test_tmp_of_two_sandboxes_is_apart(make_sandbox):
    one, two = make_sandbox(keep_state=True), make_sandbox(keep_state=True)
    one.run("open('/tmp/mine', 'w').write('one')")
    assert two.run("import os\nos.path.exists('/tmp/mine')").value is False
