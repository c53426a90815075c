"""Runs one program of tests/packages on this interpreter, turn by turn, for package_programs.py to compare.

    python package_native.py PROGRAM OUTPUT URL

Answers each line on standard input by calling the program's `work()` and pickling the seconds that it took, its value
and its error, as text, to standard output. `output` and `url` are globals of the program, as in the guest.

Used as a script in a process of its own, so it imports nothing of hypercell and nothing of the test suite.
"""

import os
import pickle
import sys
import time
import traceback
import types
from pathlib import Path


def main(program, output, url):
    # What a library prints goes to standard error, so that answers stay apart from it.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.__dict__.update(output=output, url=url)
    source = Path(program).read_text(encoding="utf-8")
    for _ in sys.stdin:
        begin, value, error = time.perf_counter(), None, None
        try:
            if "work" not in main.__dict__:
                exec(compile(source, program, "exec", dont_inherit=True), main.__dict__)
                begin = time.perf_counter()
            value = main.work()
        except BaseException:
            error = traceback.format_exc()
        seconds = time.perf_counter() - begin
        pickle.dump((seconds, value, error), answers)
        answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
