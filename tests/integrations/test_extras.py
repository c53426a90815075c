"""Adapters where their framework is not installed: the import says what to install, and nothing else needs it."""

import subprocess
import sys

import pytest

FRAMEWORKS = {
    "agent_framework": "agent_framework",
    "langchain": "langchain_core",
    "openai_agents": "agents",
    "pydantic_ai": "pydantic_ai",
    "smolagents": "smolagents",
}


@pytest.mark.parametrize("adapter", FRAMEWORKS)
def test_import_without_the_framework_names_the_extra(adapter):
    code = f"import sys\nsys.modules[{FRAMEWORKS[adapter]!r}] = None\nimport hypercell.integrations.{adapter}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    extra = adapter.replace("_", "-")
    # It names the module that was looked for, which may be one below the package.
    message = f"ImportError: hypercell.integrations.{adapter} needs {FRAMEWORKS[adapter]}"
    last = done.stderr.splitlines()[-1]
    assert last.startswith(message)
    assert last.endswith(f": pip install hypercell[{extra}]")


def test_stand_in_for_hyperlight_sandbox_needs_no_framework():
    blocked = [*FRAMEWORKS.values(), "agent_framework_hyperlight"]
    code = f"import sys\nsys.modules.update(dict.fromkeys({blocked}))\nimport hypercell.integrations.hyperlight_sandbox"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stderr, done.returncode) == ("", 0)
