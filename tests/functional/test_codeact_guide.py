"""The adapter of docs/codeact.md, word for word, with a script in the place of a model; and its policy file."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from hypercell.codeact import CodeActProvider, PolicyContext, RulePolicy

GUIDE = (Path(__file__).parents[2] / "docs" / "codeact.md").read_text(encoding="utf-8")


def block_after(heading, language):
    """The first code block of a language after a heading."""
    return re.search(rf"```{language}\n(.*?)```", GUIDE[GUIDE.index(heading) :], re.DOTALL)[1]


def lookup(customer: str) -> list[float]:
    """Finds what a customer ordered."""
    return [1.5, 2.5]


def message(*calls):
    tool_calls = [
        {"id": f"call-{number}", "function": {"name": "execute_code", "arguments": arguments}}
        for number, arguments in enumerate(calls)
    ]
    return {"role": "assistant", "content": None, "tool_calls": tool_calls}


@pytest.mark.usefixtures("hypercell_with_image")
def test_adapter_of_the_guide_works():
    source = block_after("## An adapter", "python")
    assert len(source.splitlines()) <= 60
    names = {}
    exec(compile(source, "docs/codeact.md", "exec", dont_inherit=True), names)
    seen = []
    script = [
        message("not json", json.dumps({"cod": "1"})),
        message(json.dumps({"code": "print('two')\nsum(lookup(customer='ada'))"})),
        message(json.dumps({"code": "open('/output/a.txt', 'w').write('x')\n1 / 0"})),
        {"role": "assistant", "content": "4.0"},
    ]

    async def complete(messages, tools):
        seen.append((json.loads(json.dumps(messages)), tools))
        return script[len(seen) - 1]

    agent = names["Agent"](complete, CodeActProvider(lookup))
    assert asyncio.run(agent.run("How much?")) == "4.0"
    messages, ((function,)) = seen[-1]
    assert function["function"]["name"] == "execute_code"
    assert "lookup(customer: str) -> list[float]" in function["function"]["description"]
    answers = [sent["content"] for sent in messages if sent["role"] == "tool"]
    assert answers[0].startswith("error: arguments must be one object with code: JSONDecodeError")
    assert answers[1] == "error: arguments must be one object with code: KeyError('code')"
    assert answers[2] == "two\nvalue: 4.0"
    assert "ZeroDivisionError" in answers[3]
    assert [file.path for file in agent.files] == ["a.txt"]


def test_policy_of_the_guide_says_what_the_guide_says(tmp_path):
    pytest.importorskip("yaml")
    path = tmp_path / "policy.yaml"
    path.write_text(block_after("## Policies", "yaml"), encoding="utf-8")
    policy = RulePolicy.load(path)

    def decision(tool, calls=1, **arguments):
        return policy.decide(PolicyContext("pre_tool_call", {}, "", tool, arguments, {tool: calls})).decision

    assert decision("lookup") == "allow"
    assert decision("refund", amount=100, currency="EUR") == "allow"
    assert decision("refund", amount=100, currency="GBP") == "escalate"
    assert decision("refund", calls=4, amount=1, currency="EUR") == "escalate"
    assert decision("search", limit=1000) == "transform"
    assert decision("other") == "deny"
