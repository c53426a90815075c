"""bubblewrap around a CPython subprocess: new namespaces, and of the host's files only the interpreter's, read-only."""

import shutil
import subprocess
import sys

from _harness import serve
from peer_subprocess import PYTHON, Subprocess

BWRAP = shutil.which("bwrap")
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache")


class Bubblewrap(Subprocess):
    name = "bubblewrap + CPython"
    isolation = (
        "a process in new namespaces, read-only files; the host's kernel, without a system call filter"
    )
    new_is = "`bwrap --unshare-all python -I -S`, run, exit; pipes as for the subprocess"
    command = (
        *(BWRAP or "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"),
        *(part for path in (*SYSTEM, sys.base_prefix) for part in ("--ro-bind-try", path, path)),
        *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/tmp", "--", PYTHON),
    )

    def version(self) -> str:
        if BWRAP is None:
            raise FileNotFoundError("bwrap is not installed (Debian: apt-get install bubblewrap)")
        return subprocess.run(
            [BWRAP, "--version"], check=True, capture_output=True, text=True
        ).stdout.split()[-1]


if __name__ == "__main__":
    serve(Bubblewrap())
