"""Compiles Python sources to unchecked-hash .pyc files that name the guest's paths.

Run as `python -I -S -c "<this text>" MARKER` with one JSON array on standard input: `[[source, guest_path, output],
...]`. Unchecked-hash files are valid whatever the time stamps in the guest are. A source that does not compile is
reported and left without a .pyc, as an installer does: the import system compiles it again and raises there.
A builder that is killed takes its compilers with it, or they would write into a directory that the next build removes.
"""

import json
import os
import py_compile
import sys
import warnings

warnings.simplefilter("ignore")
parent = os.getppid()
failed = []
for source, guest_path, output in json.load(sys.stdin):
    if os.getppid() != parent:
        sys.exit("the image builder is gone")
    try:
        os.makedirs(os.path.dirname(output), exist_ok=True)
        py_compile.compile(
            source,
            cfile=output,
            dfile=guest_path,
            doraise=True,
            optimize=0,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    except (py_compile.PyCompileError, ValueError, RecursionError) as error:
        failed.append([guest_path, str(error)[:500]])
sys.stdout.write("\n%s %s\n" % (sys.argv[1], json.dumps(failed)))
sys.stdout.flush()
