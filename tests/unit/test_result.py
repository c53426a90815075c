"""`RunResult` and what it is made of."""

import dataclasses
import pickle

import pytest

import hypercell

TRACEBACK = 'Traceback (most recent call last):\n  File "<code>", line 3, in <module>\nValueError: bad\n'
ERROR = hypercell.GuestError("ValueError", "bad", TRACEBACK, 3)


def test_result_without_an_error_raises_nothing():
    assert hypercell.RunResult(value=5).raise_for_error() is None


def test_result_with_an_error_raises_it_on_request():
    with pytest.raises(hypercell.GuestCodeError) as caught:
        hypercell.RunResult(error=ERROR).raise_for_error()
    assert (str(caught.value), caught.value.error) == ("ValueError: bad", ERROR)


def test_error_without_a_message_is_its_type():
    error = hypercell.GuestError("KeyboardInterrupt", "", "KeyboardInterrupt\n")
    assert str(hypercell.GuestCodeError(error)) == "KeyboardInterrupt"


def test_error_reads_as_its_traceback():
    assert str(ERROR) == TRACEBACK.rstrip("\n")


@pytest.mark.parametrize("cls", [hypercell.RunResult, hypercell.GuestError, hypercell.Usage])
def test_results_do_not_change(cls):
    assert cls.__dataclass_params__.frozen


def test_result_survives_pickle():
    result = hypercell.RunResult({"a": (1,)}, "out", "err", ERROR, 1, hypercell.Usage(turns=3), {"fork": 1})
    assert pickle.loads(pickle.dumps(result)) == result


def test_usage_starts_at_nothing():
    assert set(dataclasses.astuple(hypercell.Usage())) == {0}
