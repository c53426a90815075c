"""Lists the files of installed distributions, and of what they require, as one line of JSON.

Run as `python -I -c "<this text>" MARKER NAME...` by the interpreter of the environment (virtual or not). The
answer is `{"distributions": [{"name", "version", "root", "files"}], "missing": [...], "unlisted": [...]}`; files
are relative to `root`, a directory of sys.path. A requirement with an `extra ==` marker is left out, any other is
taken when it is installed: a marker that excludes it would not have had it installed as a rule.
"""

import importlib.metadata
import json
import os
import re
import sys


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def collect(wanted):
    found, missing, unlisted = {}, [], []
    queue = [(name, True) for name in wanted]
    while queue:
        name, is_asked_for = queue.pop()
        if canonical(name) in found:
            continue
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
        for file in distribution.files:
            path = os.path.normpath(str(file))
            if path.startswith(("..", "/")) or "__pycache__" in path.split(os.sep):
                continue  # scripts in bin/ and the host's own byte code
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
            match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", text)
            if match and "extra" not in marker:
                queue.append((match.group(1), False))
    distributions = [found[key] for key in sorted(found)]
    return {"distributions": distributions, "missing": sorted(missing), "unlisted": sorted(unlisted)}


sys.stdout.write("\n%s %s\n" % (sys.argv[1], json.dumps(collect(sys.argv[2:]))))
sys.stdout.flush()
