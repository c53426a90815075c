"""What came of a module on one side, and how the two sides differ."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

# From worst to best: a test that is reported more than once counts as the worst.
_RANK = ("stopped", "failed", "skipped", "expected", "passed")


@dataclass
class Side:
    """One module's tests, natively or in the guest."""

    tests: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Outcome and reason of each test."""
    needs: dict[str, list[str]] = field(default_factory=dict)
    """What tests asked for that is not in a sandbox."""
    whole: tuple[str, str] = ("stopped", "")
    """What came of the module as a whole, and why."""

    def take(self, reports: list[dict[str, Any]], stop: str) -> bool:
        """Takes the reports of one run in; returns whether another run, without the tests that are here, may find more.

        A test that runs when the module is stopped at its time limit, or dies, is tried again as the first of the next
        run. If that is stopped in it too, the test is at fault.
        """
        running, ended = None, False
        for one in reports:
            if "begin" in one:
                running = one["begin"]
            elif "end" in one:
                running, ended = None, True
                self._end(one)
            else:
                self.whole = (one["module"]["outcome"], one["module"]["why"])
        if not stop:
            return False
        self.whole = ("stopped", stop)
        if running is not None and not ended:
            self.tests[running] = ("stopped", stop)
        return ended or running is not None

    def _end(self, event: dict[str, Any]) -> None:
        name, outcome = event["end"], event["outcome"]
        before = self.tests.get(name)
        if before is None or _RANK.index(outcome) < _RANK.index(before[0]):
            self.tests[name] = (outcome, event["why"])
        if event["needs"]:
            self.needs[name] = event["needs"]

    def counts(self) -> dict[str, int]:
        """How many tests had each outcome."""
        return dict(sorted(Counter(outcome for outcome, _ in self.tests.values()).items()))


def differences(native: Side, guest: Side) -> dict[str, Any]:
    """Both sides of a module in numbers, each test that fails natively or only in the guest.

    A test that starts a process or opens a socket natively is refused in the guest, where it does not pass: that is no
    difference of its own. What a fixture of a class does natively counts for all tests of the class.
    """
    differs: dict[str, str] = {}
    refused: list[str] = []
    skipped: dict[str, str] = {}
    compared = 0
    for name, (outcome, _) in sorted(native.tests.items()):
        if outcome not in ("passed", "expected"):
            continue
        there, why = guest.tests.get(name) or _from_fixture(name, guest)
        if there in ("passed", "expected"):
            compared += 1
        elif name in native.needs:
            refused.append(name)
        elif there == "skipped":
            skipped[name] = why
        else:
            compared += 1
            differs[name] = f"{there}: {why}"
    return {
        "native": {"whole": " ".join(native.whole).strip(), **native.counts()},
        "fails_natively": {
            name: f"{outcome}: {why}"
            for name, (outcome, why) in sorted(native.tests.items())
            if outcome in ("failed", "stopped")
        },
        "guest": {"whole": " ".join(guest.whole).strip(), **guest.counts()},
        "need_process_or_socket": len(native.needs),
        "compared": compared,
        "refused": len(refused),
        "skipped": skipped,
        "differs": differs,
    }


def _from_fixture(name: str, guest: Side) -> tuple[str, str]:
    """What came in the guest of a test that never began: its class or module did not set up."""
    owner = name.rpartition(".")[0]
    module = owner.rpartition(".")[0]
    for fixture in (f"setUpClass ({owner})", f"setUpModule ({module})"):
        if fixture in guest.tests:
            return guest.tests[fixture]
    outcome, why = guest.whole
    return ("skipped", why) if outcome == "skipped" else ("absent", why or "is not among the guest's tests")


def verdict(found: dict[str, Any]) -> str:
    """What a module's differences come to.

    "not native": it does not pass natively, or nothing in it does. "out of reach": each test that passes natively
    starts a process or opens a socket. "passes": no other test fails in the guest, and not all are skipped there.
    "differs": else.
    """
    native = found["native"]
    if native["whole"] != "ran" or native.get("failed") or native.get("stopped"):
        return "not native"
    if not native.get("passed") and not native.get("expected"):
        return "not native"
    if found["differs"]:
        return "differs"
    if found["compared"]:
        return "passes"
    return "differs" if found["skipped"] else "out of reach"


def needs_nothing(found: dict[str, Any]) -> bool:
    """Whether no test of a module starts a process or opens a socket natively."""
    return not found["need_process_or_socket"]
