"""Where no micro-VM can start: the package imports, and `Sandbox()` says what is missing.

Each case runs in a mount namespace of its own whose /dev/kvm is replaced. That needs root and `unshare`.
"""

import os
import shutil
import stat
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("setpriv") is None,
    reason="replacing /dev/kvm needs root, unshare and setpriv",
)

REPORT = """
import hypercell
try:
    hypercell.Sandbox()
except hypercell.SandboxUnavailableError as error:
    print(error)
else:
    print("made")
"""
HIDE = "mount -t tmpfs none /dev"
NODE = (
    "mount -t tmpfs -o dev none /mnt && mknod /mnt/kvm c {major} {minor} && chmod {mode} /mnt/kvm"
    " && mount --bind /mnt/kvm /dev/kvm"
)
UNPRIVILEGED = (
    "setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-dac_override,-dac_read_search"
)


def in_namespace(prepare: str, *command: str, wrapper: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", f'{prepare} && exec {wrapper} "$@"', "sh", *command],
        capture_output=True,
        text=True,
        timeout=100,
    )


def kvm_node(mode: str) -> str:
    device = os.stat("/dev/kvm").st_rdev  # noqa: PTH116
    return NODE.format(major=os.major(device), minor=os.minor(device), mode=mode)


def has_kvm() -> bool:
    try:
        return stat.S_ISCHR(os.stat("/dev/kvm").st_mode)  # noqa: PTH116
    except OSError:
        return False


def test_package_imports_without_kvm():
    done = in_namespace(
        HIDE, sys.executable, "-W", "error", "-c", "import hypercell; print(hypercell.__version__ != '')"
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_missing_kvm_is_named_with_what_to_do():
    done = in_namespace(HIDE, sys.executable, "-c", REPORT)
    assert "/dev/kvm" in done.stdout, done.stderr
    assert "Traceback" not in done.stderr


def test_file_that_is_no_hypervisor_is_told():
    done = in_namespace("mount --bind /dev/null /dev/kvm", sys.executable, "-c", REPORT)
    assert "/dev/kvm" in done.stdout, done.stderr
    assert done.stdout != "made\n"


@pytest.mark.skipif(not has_kvm(), reason="no /dev/kvm to take the permission from")
def test_missing_permission_is_told_apart_from_a_missing_device():
    done = in_namespace(kvm_node("000"), sys.executable, "-c", REPORT, wrapper=UNPRIVILEGED)
    assert "permission" in done.stdout.lower(), (done.stdout, done.stderr)
    missing = in_namespace(HIDE, sys.executable, "-c", REPORT)
    assert done.stdout != missing.stdout


def test_doctor_names_what_is_missing_and_fails():
    done = in_namespace(HIDE, sys.executable, "-m", "hypercell", "doctor")
    assert done.returncode == 1, done.stderr
    assert "/dev/kvm" in done.stdout + done.stderr


def test_run_from_the_command_line_names_what_is_missing_and_fails():
    done = in_namespace(HIDE, sys.executable, "-m", "hypercell", "run", "-c", "print(1)")
    assert (done.stdout, done.returncode != 0) == ("", True)
    assert "/dev/kvm" in done.stderr
    assert "Traceback" not in done.stderr
