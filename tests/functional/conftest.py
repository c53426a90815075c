"""What several files of functional tests start from."""

import pytest

from hypercell import PendingCall
from paused_runs import CODE, TOOLS


@pytest.fixture
def paused(make_sandbox):
    """A snapshot of a paused run."""
    box = make_sandbox(tools=TOOLS, pause_on=["approve"])
    assert box.run(CODE).pending == PendingCall("approve", {"what": "mail"}, 3)
    return box.snapshot()
