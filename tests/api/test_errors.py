"""The exception tree: as drawn, with attributes that survive pickle and copy."""

import copy
import pickle
import re

import pytest

import hypercell

ERROR = hypercell.GuestError("ValueError", "bad", "Traceback ...\nValueError: bad\n", 3)
CLASSES = sorted(
    (
        value
        for value in vars(hypercell).values()
        if isinstance(value, type) and issubclass(value, hypercell.HypercellError)
    ),
    key=lambda cls: cls.__name__,
)


def make(cls):
    """An error with every attribute set."""
    if cls is hypercell.GuestCodeError:
        return cls(ERROR)
    if issubclass(cls, hypercell.LimitError):
        error = cls("the words", limit="output_bytes", used=7, maximum=5, unit="bytes")
    elif cls is hypercell.GuestCrashError:
        error = cls("the words", report="rip 0")
    else:
        error = cls("the words")
    if hasattr(error, "result"):
        error.result = hypercell.RunResult(stdout="until then")
    if hasattr(error, "tool"):
        error.tool = "fetch"
    return error


def drawn_tree():
    """Lines of the drawing as (depth, name, names in parentheses)."""
    doc = __import__("hypercell._errors", fromlist=["_errors"]).__doc__
    found = re.findall(r"^([│├└─ ]*)(\w+Error)(?: \(([\w, ]+)\))?", doc, re.MULTILINE)
    return [(len(indent) // 4, name, others) for indent, name, others in found]


def test_tree_is_as_drawn():
    ancestors: list[str] = []
    drawn = {}
    for depth, name, others in drawn_tree():
        ancestors[depth:] = [name]
        bases = [ancestors[depth - 1]] if depth else ["Exception"]
        drawn[name] = bases + [other for other in others.split(", ") if other]
    assert {cls.__name__: [base.__name__ for base in cls.__bases__] for cls in CLASSES} == drawn


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_error_survives_pickle_and_copy_with_all_that_it_says(cls, again):
    error = make(cls)
    twin = again(error)
    assert type(twin) is cls
    assert (str(twin), twin.args, vars(twin)) == (str(error), error.args, vars(error))


@pytest.mark.parametrize("cls", CLASSES)
def test_error_can_be_raised_with_a_message_alone(cls):
    if cls is not hypercell.GuestCodeError:
        assert str(cls("the words")) == "the words"


def test_caller_errors_are_builtin_ones_as_well():
    assert issubclass(hypercell.PolicyError, ValueError)
    assert issubclass(hypercell.ValueNotSendableError, TypeError)


def test_limit_error_says_limit_used_maximum_and_unit():
    error = make(hypercell.OutputLimitError)
    assert (error.limit, error.used, error.maximum, error.unit) == ("output_bytes", 7, 5, "bytes")
