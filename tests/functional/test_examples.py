"""The examples run as they are, and end well."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.usefixtures("hypercell_with_image")


def run(name, *arguments):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_order_totals():
    assert "tool calls: 36" in run("order_totals.py")


def test_codeact_order_totals():
    _, *lines = run("codeact_order_totals.py")
    rows = {line[:26].strip(): [int(number) for number in line[26:].split()[:3]] for line in lines}
    assert [rows[name][0] for name in ("one call a turn", "calls side by side", "one block of code")] == [
        37,
        6,
        2,
    ]
    read = {name: row[1] for name, row in rows.items()}
    assert read["one block of code"] < read["calls side by side"] / 2
    assert read["one block of code"] < read["one call a turn"] / 20


def test_codeact_approvals():
    lines = run("codeact_approvals.py")
    assert [line.rpartition(" ")[2] for line in lines if line.startswith("line 4")] == [
        "allow",
        "edit",
        "deny",
    ] * 2


def test_codeact_data_analysis(tmp_path):
    lines = run("codeact_data_analysis.py", str(tmp_path))
    assert lines[3] == "value: (31.0, 'kitchen', 17)"
    assert (tmp_path / "plot.svg").read_text().count("<polyline") == 3
    assert (tmp_path / "summary.csv").read_text().splitlines()[1] == "attic,15.0,21.0,15"
