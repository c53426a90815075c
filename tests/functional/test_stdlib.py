"""Every module of the standard library that imports natively imports in the guest."""

import subprocess
import sys

import pytest

# Modules that do more than define things when imported, so that nobody imports them to try.
LEFT_OUT = {
    "antigravity": "opens a web browser",
    "this": "prints the Zen of Python",
    "idlelib": "its modules open windows; the package itself is empty",
    "__main__": "is the program",
}
# Modules that import natively and not in the guest, with the reason.
EXPECTED_TO_FAIL: dict[str, str] = {
    "turtledemo": "demonstrations in windows, left out of images",
    "test.support": "CPython's own tests, left out of images",
}

NATIVE_IMPORTS = """
import importlib, sys, warnings
warnings.simplefilter("ignore")
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException:
        continue
    print(name)
"""
SUBMODULES = [
    "asyncio.subprocess", "collections.abc", "concurrent.futures.thread", "ctypes.util", "curses.ascii",
    "email.mime.text", "encodings.idna", "html.entities", "http.client", "http.cookiejar", "http.server",
    "importlib.metadata", "importlib.resources", "json.tool", "logging.config", "logging.handlers",
    "multiprocessing.pool", "os.path", "unittest.mock", "urllib.error", "urllib.request",
    "urllib.robotparser", "wsgiref.simple_server", "xml.dom.pulldom", "xml.sax.expatreader",
    "xmlrpc.client", "xmlrpc.server", "zoneinfo._tzpath", "sqlite3.dump", "dbm.gnu", "dbm.ndbm",
    "pydoc_data.topics", "lib2to3.pgen2.driver", "distutils.core", "tkinter.ttk", "test.support",
]  # fmt: skip


def natively_importable() -> list[str]:
    names = sorted(set(sys.stdlib_module_names) - set(LEFT_OUT)) + SUBMODULES
    done = subprocess.run(
        [sys.executable, "-s", "-c", NATIVE_IMPORTS, *names],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [name for name in done.stdout.split() if name in names]


@pytest.mark.timeout(300)
def test_every_module_that_imports_natively_imports_in_the_guest(sandbox):
    names = natively_importable()
    assert len(names) > 250
    failed = {}
    for name in names:
        result = sandbox.run(f"import warnings\nwarnings.simplefilter('ignore')\nimport {name}")
        if result.error is not None:
            failed[name] = f"{result.error.type}: {result.error.message}"
    assert {name: why for name, why in failed.items() if name not in EXPECTED_TO_FAIL} == {}
    assert set(failed) == set(EXPECTED_TO_FAIL) & set(names)


def test_all_modules_import_into_one_process(make_sandbox):
    import hypercell

    names = [name for name in natively_importable() if name not in EXPECTED_TO_FAIL]
    box = make_sandbox(keep_state=True, limits=hypercell.Limits(wall_time_s=60))
    code = """
import importlib, warnings
warnings.simplefilter("ignore")
len([importlib.import_module(name) for name in names])
"""
    result = box.run(code, inputs={"names": names})
    result.raise_for_error()
    assert result.value == len(names)


def test_module_that_is_missing_natively_is_missing_in_the_guest(sandbox):
    missing = sorted(set(sys.stdlib_module_names) - set(LEFT_OUT) - set(natively_importable()))
    for name in missing:
        assert sandbox.run(f"import {name}").error.type in ("ModuleNotFoundError", "ImportError")
