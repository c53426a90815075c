"""The session in the README is what happens."""

import doctest
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.usefixtures("hypercell_with_image")
def test_session_in_the_readme_is_what_happens(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    outcome = doctest.testfile(str(README), module_relative=False)
    assert outcome.attempted == 42
    assert not outcome.failed
