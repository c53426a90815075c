"""The programs of tests/programs that use files end in a writable mount as they end natively.

Each runs with a mount as its working directory and as the directory of `tempfile`. That its files went there is seen in
the usage, since many clean up.
"""

import sys

import pytest

import hypercell
from corpus import load_all, run_native

#: What a mount differs in, and so what these programs are left out for.
NOT_IN_A_MOUNT = {
    "fs_symlinks": "makes symbolic links",
    "fs_stat": "makes symbolic links",
    "fs_append_rename": "makes hard links",
    "fs_owners": "makes symbolic links",
    "fs_fifos": "makes named pipes",
    "fs_proc_and_dev": "looks at the guest's own files",
    "fs_proc_threads": "looks at the guest's own files",
    "fs_pipes": "uses no file",
    "fs_terminals": "uses no file",
}
PROGRAMS = [
    program
    for program in load_all()
    if program.name.startswith("fs_")
    and program.name not in NOT_IN_A_MOUNT
    and sys.version_info >= program.requires
]
PREPARE = "import os, tempfile\ntempfile.tempdir = '/work'\nos.chdir('/work')"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program_ends_in_a_mount_as_natively(program, make_sandbox, tmp_path):
    native = run_native(program)
    box = make_sandbox(mounts=[hypercell.Mount(tmp_path, "/work", mode="rw")], keep_state=True)
    box.run(PREPARE).raise_for_error()
    result = box.run(program.source)
    result.raise_for_error()
    assert (result.stdout, result.value) == (native.stdout, native.value)
    assert result.usage.file_write_bytes > 0
