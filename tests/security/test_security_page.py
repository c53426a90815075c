"""The matrix of SECURITY.md names, for each impact that is a vulnerability, tests that exist and attack it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
KEYS = dict(re.findall(r"^\| ([A-Z]) \| `([^`]+)` \|", PAGE, re.MULTILINE))
CELLS = re.findall(r"(?<=\| )yes[^|]*(?= \|)", PAGE)


def test_every_yes_names_a_test():
    assert len(CELLS) == 22
    assert [cell for cell in CELLS if not re.fullmatch(r"yes: [A-Z](, [A-Z])*", cell)] == []


def test_every_key_is_used_and_names_a_file():
    assert {key for cell in CELLS for key in re.findall(r"\b[A-Z]\b", cell)} == set(KEYS)
    assert [path for path in KEYS.values() if not (ROOT / path).is_file()] == []
