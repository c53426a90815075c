"""What tests of adapters need: the frameworks themselves, and models that say what a test tells them to."""

import importlib
import os
import sys
from typing import Any

import pytest

#: In CI a framework that is not there fails: tests that cannot run are no proof.
REQUIRE = os.environ.get("HYPERCELL_TEST_REQUIRE_EXTRAS") == "1"

#: Frameworks that do without an interpreter that hypercell has.
OLDEST = {"pydantic_ai": (3, 11)}


def needed(name: str) -> Any:
    """Returns a module, or skips the file that asks for it, unless tests must run and it can be there."""
    try:
        return importlib.import_module(name)
    except ImportError:
        if REQUIRE and sys.version_info >= OLDEST.get(name, (3, 10)):
            raise
        pytest.skip(f"{name} is not installed", allow_module_level=True)
