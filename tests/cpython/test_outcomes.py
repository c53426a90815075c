"""What counts as a difference between CPython's tests natively and in the guest."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cpython_outcomes import Side, differences, verdict

RUNNER = Path(__file__).with_name("module_runner.py")
RAN = {"module": {"outcome": "ran", "why": ""}}
PLANTED = """
import sys, types, unittest, os, socket, subprocess

class Planted(unittest.TestCase):
    def test_passes(self): pass
    def test_fails(self): self.assertEqual(1, 2)
    def test_fails_in_a_subtest(self):
        for number in range(3):
            with self.subTest(number=number): self.assertNotEqual(number, 1)
    def test_is_skipped(self): self.skipTest("for a reason")
    @unittest.expectedFailure
    def test_is_expected_to_fail(self): self.fail()
    def test_starts_a_process(self): subprocess.run(["true"])
    def test_opens_a_socket(self): socket.socket().close()
    def test_makes_a_pair(self):
        for end in socket.socketpair(): end.close()

class Fixture(unittest.TestCase):
    @classmethod
    def setUpClass(cls): subprocess.run(["true"])
    def test_after_it(self): pass

Planted.__module__ = Fixture.__module__ = "test.test_planted"
module = types.ModuleType("test.test_planted")
module.Planted, module.Fixture = Planted, Fixture
sys.modules["test.test_planted"] = module
sys.argv = ["module_runner.py", "test_planted", sys.argv[1]]
exec(compile(open(RUNNER).read(), RUNNER, "exec"))
"""


def ended(name, outcome, why="", needs=()):
    return [{"begin": name}, {"end": name, "outcome": outcome, "why": why, "needs": list(needs)}]


def side(*reports, stop=""):
    made = Side()
    made.take([one for group in reports for one in group] + ([] if stop else [RAN]), stop)
    return made


def test_equal_sides_pass():
    found = differences(side(ended("a", "passed")), side(ended("a", "passed")))
    assert (verdict(found), found["compared"]) == ("passes", 1)


@pytest.mark.parametrize("outcome", ["failed", "stopped"])
def test_a_test_that_fails_in_the_guest_alone_differs(outcome):
    found = differences(side(ended("a", "passed")), side(ended("a", outcome, "why")))
    assert verdict(found) == "differs"
    assert found["differs"] == {"a": f"{outcome}: why"}


def test_a_test_that_is_missing_in_the_guest_differs():
    found = differences(side(ended("a", "passed"), ended("b", "passed")), side(ended("a", "passed")))
    assert list(found["differs"]) == ["b"]


def test_a_test_that_needs_a_process_is_refused_in_the_guest():
    native = side(ended("a", "passed", needs=["process"]), ended("b", "passed"))
    found = differences(native, side(ended("a", "failed"), ended("b", "passed")))
    assert (verdict(found), found["refused"]) == ("passes", 1)


def test_a_module_whose_tests_all_need_a_process_is_out_of_reach():
    found = differences(side(ended("a", "passed", needs=["process"])), side(ended("a", "failed")))
    assert verdict(found) == "out of reach"


def test_a_module_that_is_skipped_in_the_guest_alone_differs():
    guest = side([{"module": {"outcome": "skipped", "why": "no module"}}])
    guest.whole = ("skipped", "no module")
    found = differences(side(ended("a", "passed")), guest)
    assert (verdict(found), found["skipped"]) == ("differs", {"a": "no module"})


def test_a_class_that_does_not_set_up_fails_its_tests():
    fixture = {"end": "setUpClass (m.C)", "outcome": "failed", "why": "refused", "needs": []}
    found = differences(side(ended("m.C.a", "passed")), side([fixture]))
    assert found["differs"] == {"m.C.a": "failed: refused"}


def test_a_module_that_fails_natively_is_not_compared():
    native = side(ended("a", "passed"), ended("b", "failed"))
    assert verdict(differences(native, side(ended("a", "failed")))) == "not native"


def test_a_module_that_is_slow_goes_on_where_it_was_stopped():
    slow = Side()
    assert slow.take([*ended("a", "passed"), {"begin": "b"}], "60 s")
    assert list(slow.tests) == ["a"]
    assert not slow.take([*ended("b", "passed"), RAN], "")
    assert slow.tests == {"a": ("passed", ""), "b": ("passed", "")}
    assert slow.whole == ("ran", "")


def test_a_test_that_stops_a_run_of_its_own_is_at_fault():
    stopped = Side()
    assert stopped.take([{"begin": "b"}], "60 s")
    assert stopped.tests == {"b": ("stopped", "60 s")}


def test_a_module_that_hangs_when_it_is_imported_is_not_tried_again():
    assert not Side().take([], "60 s")


def test_the_runner_reports_each_outcome_and_what_tests_need(tmp_path):
    pytest.importorskip("test.support", reason="this interpreter has no package `test`")
    file = tmp_path / "reports"
    code = f"RUNNER = {str(RUNNER)!r}\n{PLANTED}"
    subprocess.run([sys.executable, "-I", "-c", code, str(file)], check=True, cwd=tmp_path)
    reports = [json.loads(line) for line in file.read_text().splitlines()]
    assert reports[-1] == RAN
    ends = {one["end"].rpartition(".")[2]: one for one in reports if "end" in one}
    assert {name: (one["outcome"], one["needs"]) for name, one in ends.items()} == {
        "test_passes": ("passed", []),
        "test_fails": ("failed", []),
        "test_fails_in_a_subtest": ("failed", []),
        "test_is_skipped": ("skipped", []),
        "test_is_expected_to_fail": ("expected", []),
        "test_starts_a_process": ("passed", ["process"]),
        "test_opens_a_socket": ("passed", ["socket"]),
        "test_makes_a_pair": ("passed", []),
        "test_after_it": ("passed", ["process"]),
    }
    assert "1 != 2" in ends["test_fails"]["why"]
