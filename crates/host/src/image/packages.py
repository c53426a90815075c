"""Lists the files of installed distributions, and of what they require, as one line of JSON.

Run as `python -I -c "<this text>" MARKER NAME...` by the interpreter of the environment (virtual or not). The
answer is `{"distributions": [{"name", "version", "root", "files"}], "refused": [{"package", "detail"}]}`; files
are relative to `root`, a directory of sys.path. A requirement with an `extra ==` marker is taken if a NAME[EXTRA] asks
for it, any other when it is installed: a marker that excludes it would not have had it installed as a rule.

A package's own tests are left out: directories named tests that hold test_*.py.
"""

import importlib.metadata
import json
import os
import re
import site
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


def source_of(distribution, root):
    """Returns where an editable installation has its files, or None for one that was copied."""
    try:
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        origin = {}
    if origin.get("dir_info", {}).get("editable"):
        return origin.get("url", root)
    # What `setup.py develop` left: a list of sources, in a directory that only a .pth file names.
    is_record = any(distribution.read_text(name) for name in ("RECORD", "installed-files.txt"))
    is_site_dir = root in map(os.path.realpath, site.getsitepackages())
    return None if is_record or is_site_dir else root


def files_of(distribution, root):
    """Returns the recorded files that are there, without tests, byte code and what lies outside, such as bin/."""
    paths = [os.path.normpath(str(file)) for file in distribution.files]
    tests = tuple({match[1] for path in paths if (match := re.match(r"(.*/tests/)test_[^/]*\.py$", path))})
    files = {
        path
        for path in paths
        if not path.startswith(("..", "/", *tests))
        and "__pycache__" not in path.split(os.sep)
        and os.path.isfile(os.path.join(root, path))
    }
    return sorted(files)


def requirements_of(distribution, extras):
    """Returns what a distribution requires, each as its text and whether one of `extras` alone decides about it."""
    for requirement in distribution.requires or []:
        text, _, marker = requirement.partition(";")
        wanted_by = {canonical(extra) for extra in re.findall(r"""extra\s*==\s*["']([^"']+)""", marker)}
        if not wanted_by or wanted_by & set(extras):
            is_sure = re.fullmatch(r"""[\s(]*extra\s*==\s*["'][^"']+["'][\s)]*""", marker) is not None
            yield text, is_sure


def collect(wanted):
    found, refused = {}, []
    seen = set()
    # Each with whether the caller asked for it, and so must have it.
    queue = [(*parse(name), True) for name in wanted]

    def refuse(package, detail):
        refused.append({"package": package, "detail": detail})

    while queue:
        name, extras, is_asked_for = queue.pop()
        if (canonical(name), extras, is_asked_for) in seen:
            continue
        seen.add((canonical(name), extras, is_asked_for))
        try:
            distribution = importlib.metadata.distribution(name)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            if is_asked_for:
                refuse(name, f"it is not installed in the environment of {sys.executable}")
            continue
        root = os.path.realpath(str(distribution.locate_file("")))
        source = source_of(distribution, root)
        if source is not None:
            refuse(
                name,
                f"it is an editable installation of {source}, whose files are not recorded; install a copy",
            )
            continue
        if distribution.files is None:
            refuse(name, "its installer left no list of its files (RECORD); install it with pip")
            continue
        known = {canonical(extra) for extra in distribution.metadata.get_all("Provides-Extra") or []}
        for extra in sorted(set(extras) - known if is_asked_for else ()):
            refuse(name, f"it has no extra {extra!r}; it has {', '.join(sorted(known)) or 'none'}")
        found[canonical(name)] = {
            "name": distribution.metadata["Name"] or name,
            "version": distribution.version,
            "root": root,
            "files": files_of(distribution, root),
        }
        for text, is_sure in requirements_of(distribution, extras):
            queue.append((*parse(text), is_asked_for and is_sure))
    distributions = [found[key] for key in sorted(found)]
    return {"distributions": distributions, "refused": sorted(refused, key=lambda one: one["package"])}


sys.stdout.write("\n%s %s\n" % (sys.argv[1], json.dumps(collect(sys.argv[2:]))))
sys.stdout.flush()
