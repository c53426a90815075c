"""Lists the files of installed distributions, and of what they require, as one line of JSON.

Run as `python -I -c "<this text>" MARKER NAME...` by the interpreter of the environment (virtual or not). The
answer is `{"distributions": [{"name", "version", "root", "files"}], "missing": [...], "unlisted": [...]}`; files
are relative to `root`, a directory of sys.path. A requirement with an `extra ==` marker is taken if a NAME[EXTRA] asks
for it, any other when it is installed: a marker that excludes it would not have had it installed as a rule.

A package's own tests are left out: directories named tests that hold test_*.py.
"""

import importlib.metadata
import json
import os
import re
import sys


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def parse(text):
    """Returns the name and the extras at the beginning of a requirement."""
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?", text)
    name, extras = match.groups() if match else (text, "")
    return name, tuple(
        sorted(canonical(extra.strip()) for extra in (extras or "").split(",") if extra.strip())
    )


def collect(wanted):
    found, missing, unlisted = {}, [], []
    seen = set()
    queue = [(*parse(name), True) for name in wanted]
    while queue:
        name, extras, is_asked_for = queue.pop()
        if (canonical(name), extras) in seen:
            continue
        seen.add((canonical(name), extras))
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            if is_asked_for:
                missing.append(name)
            continue
        if distribution.files is None:
            unlisted.append(name)
            continue
        root = os.path.realpath(str(distribution.locate_file("")))
        files = []
        paths = [os.path.normpath(str(file)) for file in distribution.files]
        tests = tuple(
            {match[1] for path in paths if (match := re.match(r"(.*/tests/)test_[^/]*\.py$", path))}
        )
        for path in paths:
            if path.startswith(("..", "/")) or "__pycache__" in path.split(os.sep):
                continue  # scripts in bin/ and the host's own byte code
            if path.startswith(tests):
                continue
            if os.path.isfile(os.path.join(root, path)):
                files.append(path)
        found[canonical(name)] = {
            "name": distribution.metadata["Name"],
            "version": distribution.version,
            "root": root,
            "files": sorted(set(files)),
        }
        for requirement in distribution.requires or []:
            text, _, marker = requirement.partition(";")
            wanted_by = {canonical(extra) for extra in re.findall(r"""extra\s*==\s*["']([^"']+)""", marker)}
            if not wanted_by or wanted_by & set(extras):
                queue.append((*parse(text), False))
    distributions = [found[key] for key in sorted(found)]
    return {"distributions": distributions, "missing": sorted(missing), "unlisted": sorted(unlisted)}


sys.stdout.write("\n%s %s\n" % (sys.argv[1], json.dumps(collect(sys.argv[2:]))))
sys.stdout.flush()
