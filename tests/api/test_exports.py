"""The public surface: what is exported, where it says it comes from, and that errors survive a process border."""

import dataclasses
import importlib.metadata
import inspect
import pickle
import subprocess
import sys

import pytest

import hypercell
from hypercell import codeact

PUBLIC = [name for name in hypercell.__all__ if name != "__version__"]
ERRORS = [getattr(hypercell, name) for name in PUBLIC if name.endswith("Error") and name != "GuestError"]
WITHOUT_NATIVE = """
import sys
sys.modules["hypercell._native"] = None
import hypercell
try:
    hypercell.Sandbox()
except hypercell.SandboxUnavailableError as error:
    print(error)
print(hypercell.__version__, hypercell.Limits(wall_time_s=1).wall_time_s)
"""


def test_all_is_sorted_and_complete():
    assert list(hypercell.__all__) == sorted(set(hypercell.__all__))
    exported = {name for name in vars(hypercell) if not name.startswith("_")}
    modules = {name for name in exported if inspect.ismodule(getattr(hypercell, name))}
    assert exported - modules == set(PUBLIC)
    # There only where somebody imported it.
    assert modules <= {"codeact", "integrations", "testing"}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_object_says_that_it_is_public_and_what_it_does(name):
    exported = getattr(hypercell, name)
    assert exported.__module__ == "hypercell"
    assert exported.__doc__
    for member, value in vars(exported).items():
        if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
            assert inspect.getdoc(value), f"{name}.{member}"


def test_codeact_exports_are_sorted_and_complete():
    assert list(codeact.__all__) == sorted(set(codeact.__all__))
    exported = {
        name
        for name, value in vars(codeact).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert exported == set(codeact.__all__)


@pytest.mark.parametrize("name", codeact.__all__)
def test_public_object_of_codeact_says_that_it_is_public_and_what_it_does(name):
    exported = getattr(codeact, name)
    assert exported.__module__ == "hypercell.codeact"
    assert exported.__doc__
    for member, value in inspect.getmembers(exported):
        if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
            assert inspect.getdoc(value), f"{name}.{member}"


@pytest.mark.parametrize("error", ERRORS)
def test_error_is_a_hypercell_error_and_survives_pickling(error):
    if error is hypercell.GuestCodeError:
        made = error(hypercell.GuestError("ValueError", "text", "Traceback", 3))
    elif issubclass(error, hypercell.LimitError):
        made = error("text", limit="wall_time_s", used=2.0, maximum=1.0, unit="s")
        made.result = hypercell.RunResult(stdout="before\n")
    else:
        made = error("text")
    copy = pickle.loads(pickle.dumps(made))
    assert isinstance(copy, hypercell.HypercellError)
    assert (type(copy), str(copy), vars(copy)) == (error, str(made), vars(made))


def test_error_tree_is_as_drawn():
    bases = {
        hypercell.PolicyError: ValueError,
        hypercell.CodeTypeError: TypeError,
        hypercell.CodeLimitError: hypercell.PolicyError,
        hypercell.ValueNotSendableError: TypeError,
        hypercell.TimeLimitError: hypercell.LimitError,
        hypercell.MemoryLimitError: hypercell.LimitError,
        hypercell.OutputLimitError: hypercell.LimitError,
        hypercell.ToolLimitError: hypercell.LimitError,
        hypercell.FileLimitError: hypercell.LimitError,
    }
    for error, base in bases.items():
        assert issubclass(error, base)
    drawn = inspect.getdoc(sys.modules["hypercell._errors"])
    for error in ERRORS:
        assert error.__name__ in drawn


def test_version_is_that_of_the_metadata():
    assert hypercell.__version__ == importlib.metadata.version("hypercell")


def test_package_without_its_native_module_imports_and_says_so_at_sandbox():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_NATIVE], capture_output=True, text=True, timeout=60
    )
    message, rest = done.stdout.splitlines()
    assert message.startswith(f"the native module of hypercell does not load on {sys.platform} ")
    assert "install a wheel" in message
    assert (rest.split()[1], done.stderr, done.returncode) == ("1", "", 0)


def test_import_is_light():
    heavy = ["asyncio", "pydantic"]
    code = f"import sys, hypercell\nprint([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"wall_time_s": 0}, "wall_time_s must be above 0 and at most 31622400, got 0"),
        ({"wall_time_s": "5"}, "wall_time_s must be a number of seconds or None, got str"),
        ({"wall_time_s": True}, "wall_time_s must be a number of seconds or None, got bool"),
        ({"memory_bytes": 5}, "memory_bytes must be 16777216 to 8589934592, got 5"),
        ({"tool_calls": 1.5}, "tool_calls must be int, got float"),
        ({"code_bytes": 0}, "code_bytes must be 1 to 1048576, got 0"),
    ],
)
def test_limit_that_cannot_hold_is_named_with_its_value_and_range(given, message):
    with pytest.raises(hypercell.PolicyError) as caught:
        hypercell.Limits(**given)
    assert str(caught.value) == message


def test_limits_are_frozen_named_and_shown_as_written():
    limits = hypercell.Limits(wall_time_s=None, tool_calls=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        limits.tool_calls = 4
    with pytest.raises(TypeError):
        hypercell.Limits(5)
    assert repr(limits).startswith("Limits(wall_time_s=None, guest_time_s=None, memory_bytes=")
    assert hypercell.Limits(wall_time_s=None, tool_calls=3) == limits
