"""Imports every module of the standard library and prints `name ok` or `name ExceptionType: message` for each.

Run natively (`-I -S`) and from an unpacked image; the outputs are compared. Test packages, and modules that open a
window or a browser when imported, are left out.
"""

import importlib
import os
import pkgutil
import sys
import warnings

LEFT_OUT = {"test", "tests", "idlelib", "turtledemo", "__main__", "antigravity", "this", "site-packages"}
LEFT_OUT_PREFIXES = (
    "_test",
    "_ctypes_test",
    "_xxtestfuzz",
    "xxlimited",
    "sitecustomize",
    "ensurepip._bundled",
)


def walk(dirs, prefix):
    for module in pkgutil.iter_modules(dirs, prefix):
        last = module.name.rpartition(".")[2]
        if last in LEFT_OUT or module.name.startswith(LEFT_OUT_PREFIXES):
            continue
        yield module.name
        if module.ispkg:
            yield from walk([os.path.join(path, last) for path in dirs], module.name + ".")


def main():
    warnings.simplefilter("ignore")
    stdlib = os.path.dirname(os.__file__)
    names = set(sys.stdlib_module_names) - LEFT_OUT
    names.update(walk([stdlib, os.path.join(stdlib, "lib-dynload")], ""))
    output = sys.stdout
    for name in sorted(names):
        try:
            importlib.import_module(name)
            outcome = "ok"
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error}".partition("\n")[0]
        print(name, outcome, file=output, flush=True)


main()
