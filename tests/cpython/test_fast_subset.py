"""CPython's own tests: a few modules in the guest, and what is kept about all of them."""

import pytest
from cpython_outcomes import needs_nothing, verdict
from cpython_page import PAGE, load_judgements, load_results, own_results, render
from cpython_sides import Guests, has_tests, run_both

FAST = load_judgements()["fast"]
GOAL = 0.97


@pytest.fixture(scope="module")
def guests(hypercell_with_image):
    if not has_tests():
        pytest.skip("this interpreter has no package `test`")
    if own_results() is None:
        known = ", ".join(results.version for results in load_results())
        pytest.skip(f"the data is of Python {known}, whose tests are others")
    return Guests()


@pytest.mark.parametrize("module", FAST)
def test_module_of_cpython_passes_in_the_guest(module, guests):
    known = own_results().modules[module]
    found = run_both(guests, module)
    assert found["differs"].keys() <= known["differs"].keys()
    assert found["skipped"].keys() <= known["skipped"].keys()
    assert verdict(found) == verdict(known)


@pytest.mark.parametrize("results", load_results(), ids=lambda results: results.short)
def test_the_goal_is_met_by_the_data(results):
    verdicts = [verdict(found) for found in results.modules.values() if needs_nothing(found)]
    passes, differs = verdicts.count("passes"), verdicts.count("differs")
    assert passes >= GOAL * (passes + differs)
    assert passes > 200


def test_each_difference_has_a_reason_and_the_page_is_up_to_date():
    page, complaints = render()
    assert complaints == []
    assert PAGE.read_text(encoding="utf-8") == page
