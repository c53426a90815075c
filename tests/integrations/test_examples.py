"""The examples of adapters, which run without a model."""

import subprocess
import sys
from pathlib import Path

import pytest
from frameworks import needed

EXAMPLES = Path(__file__).parents[2] / "examples"
#: By name: the module that it needs, and what it prints.
PRINTED = {
    "agent_framework_codeact": (
        "agent_framework",
        "called execute_code\ncalled open_orders\ncalled refund\n"
        "value: {'paid': ['20 for order 1'], 'refused': ['more than 100']}\n",
    ),
    "langchain_tool": ("langgraph", "tool: value: 17.0\nai: It is 17 degrees on average.\n"),
    "openai_agents_tool": ("agents", "value: ('Ada', 45)\n"),
    "pydantic_ai_toolset": ("pydantic_ai", "Together: value: 32.75\n"),
    "smolagents_executor": ("smolagents", "22.2\n"),
    "hyperlight_drop_in": ("agent_framework_hyperlight", "Together: 32.75\n"),
}


@pytest.mark.usefixtures("hypercell_with_image")
@pytest.mark.parametrize("name", PRINTED)
def test_example_prints_what_it_should(name):
    module, printed = PRINTED[name]
    needed(module)
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py"], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.stdout, done.returncode) == (printed, 0), done.stderr
