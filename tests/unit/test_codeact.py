"""CodeAct without a VM: what is granted and listed, what a model is told, what it is shown, and rules of policies."""

import dataclasses
import datetime
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import pytest

from hypercell import Domain, File, GuestError, HttpRequest, Limits, Mount, PolicyError, Tool
from hypercell.codeact import (
    AllowedDomain,
    Approval,
    CodeAct,
    CodeActProvider,
    CodeActTool,
    CodeResult,
    ExecuteCodeTool,
    FileMount,
    Policy,
    PolicyContext,
    RulePolicy,
    Verdict,
)
from hypercell.codeact._signatures import definitions_of, signature_of, type_of


def add(a: int, b: int = 0) -> int:
    """Adds two numbers. Slowly.

    Args:
        a: The first one.
    """
    return a + b


def refusal(make, *arguments, **options):
    with pytest.raises(PolicyError) as caught:
        make(*arguments, **options)
    return str(caught.value)


# What is granted.


@pytest.mark.parametrize(
    "tools",
    [add, [add], (add,), {"add": add}, Tool(add), [Tool(add)], CodeActTool(add), {"add": lambda: 1}],
)
def test_tools_are_given_one_or_several(tools):
    box = CodeAct(tools)
    (tool,) = box.get_tools()
    assert isinstance(tool, CodeActTool)
    assert (tool.name, tool.approval) == ("add", "never_require")


def test_tools_are_added_replaced_listed_and_removed():
    box = CodeAct(add)
    box.add_tools({"sub": add, "add": CodeActTool(add, approval="ask")})
    assert [(tool.name, tool.approval) for tool in box.get_tools()] == [
        ("add", "ask"),
        ("sub", "never_require"),
    ]
    box.remove_tool("add")
    assert [tool.name for tool in box.get_tools()] == ["sub"]
    with pytest.raises(KeyError, match="none of the tools is 'add'"):
        box.remove_tool("add")
    box.clear_tools()
    assert box.get_tools() == []


def test_tool_under_another_name_keeps_what_it_asks():
    (tool,) = CodeAct({"other": CodeActTool(add, approval="ask")}).get_tools()
    assert (tool.name, tool.approval, tool.returns) == ("other", "ask", {"type": "integer"})


@pytest.mark.parametrize(
    ("given", "listed"),
    [
        ("/host/data", [("/host/data", "/host/data", "ro")]),
        (Path("/host/data"), [("/host/data", "/host/data", "ro")]),
        (("/host/data", "/data/"), [("/host/data", "/data", "ro")]),
        (["/a", "/b"], [("/a", "/a", "ro"), ("/b", "/b", "ro")]),
        (FileMount("/a", "/work", "rw"), [("/a", "/work", "rw")]),
        ([Mount("/a", "/x", mode="rw"), ("/b", "/y")], [("/a", "/x", "rw"), ("/b", "/y", "ro")]),
        ((), []),
    ],
)
def test_mounts_are_given_one_or_several(given, listed):
    assert CodeAct(file_mounts=given).get_file_mounts() == listed


def test_mounts_are_added_replaced_and_removed():
    box = CodeAct(file_mounts=[("/a", "/data")])
    box.add_file_mounts(FileMount("/b", "/data", "rw"))
    assert box.get_file_mounts() == [FileMount("/b", "/data", "rw")]
    box.remove_file_mount("/data/")
    with pytest.raises(KeyError, match="none of the mounts is '/data'"):
        box.remove_file_mount("/data")
    box.add_file_mounts("/c")
    box.clear_file_mounts()
    assert box.get_file_mounts() == []


@pytest.mark.parametrize(
    ("given", "listed"),
    [
        ("api.github.com", [("api.github.com", None)]),
        (("api.github.com", "GET"), [("api.github.com", ("GET",))]),
        (("api.github.com", ["GET", "HEAD"]), [("api.github.com", ("GET", "HEAD"))]),
        (["a.org", ("b.org", "PUT")], [("a.org", None), ("b.org", ("PUT",))]),
        (("a.org", "b.org"), [("a.org", None), ("b.org", None)]),
        (AllowedDomain("a.org", ("GET",)), [("a.org", ("GET",))]),
        (Domain("a.org", headers={"Authorization": "secret"}), [("a.org", None)]),
    ],
)
def test_domains_are_given_one_or_several(given, listed):
    assert CodeAct(allowed_domains=given).get_allowed_domains() == listed


def test_domains_are_added_replaced_and_removed():
    box = CodeAct(allowed_domains="a.org")
    box.add_allowed_domains(("a.org", "GET"))
    assert box.get_allowed_domains() == [AllowedDomain("a.org", ("GET",))]
    box.remove_allowed_domain("a.org")
    with pytest.raises(KeyError, match=r"none of the domains is 'a.org'"):
        box.remove_allowed_domain("a.org")
    box.add_allowed_domains("b.org")
    box.clear_allowed_domains()
    assert box.get_allowed_domains() == []


def test_what_cannot_be_granted_is_refused_and_changes_nothing():
    box = CodeAct(add)
    assert refusal(box.add_tools, 5) == "tools must be functions or Tool objects, got int"
    assert refusal(box.add_tools, [add, 5]).startswith("a tool must be callable, got")
    assert refusal(box.add_tools, [lambda: 1]).startswith("a tool needs a name")
    assert refusal(box.add_file_mounts, 5) == "file_mounts must be directories, got int"
    assert refusal(box.add_file_mounts, [5]) == "host of a mount must be str or a path, got int"
    assert refusal(box.add_file_mounts, FileMount("/a", "/b", "wo")) == (
        "mode of a mount must be 'ro' or 'rw', got 'wo'"
    )
    assert refusal(box.add_allowed_domains, 5).startswith("domains must be several")
    assert refusal(box.add_allowed_domains, [("a.org", 5)]).startswith("domain 'a.org': methods must be")
    assert refusal(box.add_tools, {f"t{n}": add for n in range(1025)}) == "there are more than 1024 tools"
    assert ([tool.name for tool in box.get_tools()], box.get_file_mounts(), box.get_allowed_domains()) == (
        ["add"],
        [],
        [],
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"approval_mode": "ask"},
            "approval_mode must be one of 'never_require', 'always_require', got 'ask'",
        ),
        ({"approve": 5}, "approve must be callable, got int"),
        ({"policy": 5}, "policy must be callable, got int"),
        ({"limits": 5}, "limits must be Limits, got int"),
        ({"image": 5}, "image must be an Image, got int"),
    ],
)
def test_option_that_cannot_be_is_refused(options, message):
    assert refusal(ExecuteCodeTool, **options) == message


def test_approval_of_a_tool_is_one_of_three():
    assert refusal(CodeActTool, add, approval="sometimes") == (
        "approval must be one of 'never_require', 'always_require', 'ask', got 'sometimes'"
    )


def test_run_tool_has_what_a_framework_needs():
    provider = CodeActProvider(add, limits=Limits(wall_time_s=5))
    tool = provider.create_run_tool()
    assert isinstance(tool, ExecuteCodeTool)
    assert (tool.name, tool.limits.wall_time_s) == ("execute_code", 5)
    assert tool.parameters == {
        "type": "object",
        "properties": {"code": {"type": "string", "description": "Python source to run in the sandbox."}},
        "required": ["code"],
        "additionalProperties": False,
    }
    tool.parameters["properties"]["code"]["type"] = "changed"
    assert tool.parameters["properties"]["code"]["type"] == "string"
    assert tool.description == provider.instructions("long")


# What a model is told.


class Line(TypedDict):
    product: str
    qty: int


@dataclasses.dataclass
class Order:
    id: int
    lines: list[Line]
    note: str | None = None


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (str, "str"),
        (uuid.UUID, "UUID"),
        (float, "float"),
        (bool, "bool"),
        (bytes, "bytes"),
        (Any, "Any"),
        (Decimal, "Decimal"),
        (datetime.date, "date"),
        (datetime.datetime, "datetime"),
        (list[int], "list[int]"),
        (set[str], "set[str]"),
        (tuple[int, str], "tuple[int, str]"),
        (dict[str, float], "dict[str, float]"),
        (dict, "dict"),
        (int | None, "int | None"),
        (Literal["a", 1], "Literal['a', 1]"),
        (Order, "Order"),
        (list[Order], "list[Order]"),
    ],
)
def test_annotation_is_written_as_python_writes_it(annotation, text):
    def f(x):
        return x

    f.__annotations__ = {"x": annotation, "return": annotation}
    assert signature_of(CodeActTool(f)) == f"f(x: {text}) -> {text}"


def test_types_with_a_name_are_explained():
    def save(order: Order) -> Line: ...

    assert definitions_of(CodeActTool(save)) == {
        "Order": '{"id": int, "lines": list[Line], "note"?: str | None}',
        "Line": '{"product": str, "qty": int}',
    }


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}}, '{"a"?: str}'),
        ({"type": ["string", "null"]}, "str | None"),
        ({"const": 5}, "Literal[5]"),
        ({"enum": ["x", None]}, "Literal['x', None]"),
        ({"oneOf": [{"type": "integer"}, {"type": "integer"}]}, "int"),
        ({"$ref": "#/$defs/Thing"}, "Thing"),
        ({"type": "never heard of"}, "Any"),
        ({}, "Any"),
        (True, "Any"),
        (None, "Any"),
    ],
)
def test_schema_that_others_made_is_read_as_far_as_it_goes(schema, text):
    assert type_of(schema) == text


def test_schema_without_an_end_has_one():
    endless: dict[str, Any] = {"type": "array"}
    endless["items"] = endless
    assert type_of(endless).endswith("Any" + "]" * 9)


def test_parameters_that_must_be_given_come_first():
    schema = {
        "type": "object",
        "properties": {"b": {"type": "integer", "default": 1}, "c": {}, "a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": True,
    }
    tool = CodeActTool(lambda **given: given, name="get-it", schema=schema, returns={"type": "string"})
    assert signature_of(tool) == "get-it(a: str, b: int = 1, c: Any = ..., **others) -> str"


def test_default_that_is_long_is_left_out():
    def f(x: str = "y" * 100): ...

    assert signature_of(CodeActTool(f)) == "f(x: str = ...)"


LONG = """\
Runs Python in a fresh, isolated sandbox with the standard library. Nothing is kept from one call to the next.

What comes back: everything printed, and the value of the last expression (or of the variable `result`). An exception
comes back as a traceback with your line numbers. Do the whole job in one call where you can, with loops and conditions,
and return what is needed to answer, not raw data.

Tools, as functions of the code. Give arguments by name, as in call_tool("name", key=value) or name(key=value). Several
at once: await asyncio.gather(call_tool_async("name", key=value), ...). A tool that fails or is refused raises
ToolError.
- add(a: int, b: int = 0) -> int [asks for approval]: Adds two numbers. Slowly.
    a: The first one.
- store(order: Line)
  where Line is {"product": str, "qty": int}

Files: /data (read-only), /work (read and write). Files written to /output are attached to the result.

Network: HTTP with urllib.request to a.org (all methods), b.org (GET, HEAD); nothing else.

Limits: 5 s, 64 MiB memory, 1000 tool calls, 1 MiB of output."""
SHORT = """\
execute_code runs Python in a fresh sandbox. Do the whole job in one call. What is printed and the value of the last
expression come back.
Tools: call_tool("name", key=value) or name(key=value). Failures raise ToolError.
- add(a: int, b: int = 0) -> int [asks for approval]: Adds two numbers.
- store(order: Line)
  where Line is {"product": str, "qty": int}
Use execute_code rather than calling these tools one by one.
Files: /data (read-only), /work (read and write). Results as files: /output.
Network: HTTP to a.org (all methods), b.org (GET, HEAD); nothing else.
Limits: 5 s, 64 MiB memory."""


def test_instructions_say_all_that_is_granted():
    def store(order: Line): ...

    box = CodeAct(
        [CodeActTool(add, approval="ask"), store],
        file_mounts=[("/x", "/data"), FileMount("/y", "/work", "rw")],
        allowed_domains=["a.org", Domain("b.org", ("GET", "HEAD"), headers={"Authorization": "secret"})],
        limits=Limits(wall_time_s=5, memory_bytes=64 << 20),
    )
    assert box.instructions() == box.instructions("long") == LONG
    assert box.instructions("short", tools_visible_to_model=True) == SHORT
    assert refusal(box.instructions, "brief") == "form must be 'short' or 'long', got 'brief'"


def test_instructions_say_that_nothing_is_granted():
    text = CodeAct(limits=Limits(wall_time_s=None)).instructions("short")
    assert text.splitlines()[2:] == [
        "Files: none of the host. Results as files: /output.",
        "Network: none.",
        "Limits: no limit of time, 128 MiB memory.",
    ]


# What a model is shown.


def file(path, size=1):
    return File(path, size, "text/plain", b"x")


def test_all_parts_are_shown():
    result = CodeResult(
        "error",
        value=[1, "a"],
        stdout="out\n",
        stderr="err\n",
        error=GuestError("ValueError", "no", "Traceback ...\nValueError: no\n", 1),
        files=(file("a"), file("b", 5)),
    )
    assert result.text == (
        "out\nstderr:\nerr\nvalue: [1, 'a']\nerror: Traceback ...\nValueError: no\n"
        "files in /output: a (text/plain, 1 bytes), b (text/plain, 5 bytes)"
    )
    assert result.render() == result.text
    assert CodeResult("ok").render() == "The code ended without output and without a value."
    assert CodeResult("ok", value="text").render() == "value: text"


@pytest.mark.parametrize("length", [200, 1000, 16_000])
def test_what_is_too_long_is_cut_in_its_middle_and_says_how_much(length):
    text = "".join(str(n % 10) for n in range(100_000))
    shown = CodeResult("ok", stdout=text).render(length)
    assert length - 10 <= len(shown) <= length
    head, _, tail = shown.partition("\n[... ")
    count, _, tail = tail.partition(" of 100,000 characters left out ...]\n")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + len(tail) + int(count.replace(",", "")) == 100_000


def test_short_parts_are_not_cut_for_a_long_one():
    error = GuestError("ValueError", "no", "Traceback ...\nValueError: no\n", 1)
    shown = CodeResult("error", stdout="o" * 10_000, stderr="e" * 10_000, error=error).render(1000)
    assert shown.endswith("\nerror: Traceback ...\nValueError: no")
    assert len(shown) <= 1000
    assert abs(shown.count("o") - shown.count("e")) < 30


def test_many_files_are_counted():
    shown = CodeResult("ok", files=tuple(file(f"f{n}") for n in range(53))).render()
    assert shown.endswith("f49 (text/plain, 1 bytes), and 3 more")


@pytest.mark.parametrize("length", [199, -1, 5.0, True, None])
def test_length_that_cannot_be_is_refused(length):
    assert (
        refusal(CodeResult("ok").render, length)
        == f"max_chars must be an int of at least 200, got {length!r}"
    )


def test_edited_arguments_are_a_copy():
    arguments = {"a": [1]}
    approval = Approval.edit(arguments)
    arguments["a"].append(2)
    assert approval.arguments == {"a": [1]}


# Policies.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": ["pre_tool"]}, "points must be several of "),
        ({"points": "input"}, "points must be several of "),
        ({"escalates": "pay"}, "escalates must be names of tools, got 'pay'"),
    ],
)
def test_policy_that_cannot_be_is_refused(options, message):
    assert refusal(Policy, lambda _: Verdict.allow(), **options).startswith(message)


def test_async_policy_needs_pauses():
    async def decide(context):
        return Verdict.allow()

    class Decider:
        async def __call__(self, _):
            return Verdict.allow()

    for function in (decide, Decider()):
        assert "async" in refusal(Policy, function, escalates=[])
        assert Policy(function).pauses("any")
        assert not Policy(function, points=["output"]).pauses("any")


def context_of(point="pre_tool_call", tool="pay", calls=1, target=None, code="import os", **arguments):
    return PolicyContext(point, target, code, tool, arguments, {tool: calls})


def rules(*given, **options):
    return RulePolicy({"hypercell_policy": 1, "rules": list(given), **options})


def decided(policy, context):
    verdict = policy.decide(context)
    return verdict.decision, verdict.reason


def test_first_rule_that_fits_decides():
    policy = rules(
        {"tool": "pay", "arguments": {"amount": {"max": 10}}, "decision": "allow"},
        {"tool": "pay", "calls": {"max": 2}, "decision": "escalate", "reason": "large"},
        {"tool": ["pay", "del*"], "decision": "deny"},
    )
    assert decided(policy, context_of(amount=10)) == ("allow", None)
    assert decided(policy, context_of(amount=11)) == ("escalate", "large")
    assert decided(policy, context_of(amount=11, calls=3)) == ("deny", "denied by rule 3")
    assert decided(policy, context_of(tool="delete")) == ("deny", "denied by rule 3")
    assert decided(policy, context_of(tool="other")) == ("deny", "no rule allows it")
    assert decided(policy, context_of("post_tool_call", tool="other")) == ("allow", None)
    assert (policy.pauses("pay"), policy.pauses("delete")) == (True, False)


@pytest.mark.parametrize(
    ("default", "decision", "pauses"),
    [("allow", "allow", False), ("deny", "deny", False), ("escalate", "escalate", True)],
)
def test_default_decides_about_calls_that_no_rule_names(default, decision, pauses):
    policy = rules(default=default)
    assert policy.decide(context_of()).decision == decision
    assert policy.pauses("pay") is pauses
    assert policy.points == {"pre_tool_call"}


@pytest.mark.parametrize(
    ("condition", "fitting", "others"),
    [
        (5, [5, 5.0], [6, "5", True, None]),
        (True, [True], [1, "yes"]),
        ([1, "a"], [1, "a"], [2, True]),
        ({"equals": "a"}, ["a"], ["b"]),
        ({"in": [1, 2]}, [1], [3]),
        ({"not_in": [1, 2]}, [3, True], [1]),
        ({"min": 1, "max": 2}, [1, 1.5, 2, Decimal("1.5")], [0, 3, "1", True, None, float("nan")]),
        ({"matches": "*@example.org"}, ["a@example.org"], ["a@example.com", 5, "a@EXAMPLE.org"]),
        ({}, [1, None], []),
    ],
)
def test_condition_fits_what_it_says(condition, fitting, others):
    policy = rules({"tool": "pay", "arguments": {"x": condition}, "decision": "allow"})
    for value in fitting:
        assert policy.decide(context_of(x=value)).decision == "allow", value
    for value in others:
        assert policy.decide(context_of(x=value)).decision == "deny", value
    assert policy.decide(context_of()).decision == "deny", "an argument that is not given fits nothing"


def test_rules_of_other_points():
    policy = rules(
        {
            "point": "input",
            "code": {"matches": "*import socket*"},
            "decision": "deny",
            "reason": "no sockets",
        },
        {"point": "output", "status": ["error"], "decision": "warn", "reason": "look"},
        {"point": "post_tool_call", "tool": "pay", "decision": "deny", "reason": "nothing of it"},
        default="allow",
    )
    assert policy.points == {"input", "output", "pre_tool_call", "post_tool_call"}
    assert decided(policy, context_of("input", code="x\nimport socket\n")) == ("deny", "no sockets")
    assert decided(policy, context_of("input")) == ("allow", None)
    assert decided(policy, context_of("output", target=CodeResult("error"))) == ("warn", "look")
    assert decided(policy, context_of("output", target=CodeResult("ok"))) == ("allow", None)
    assert decided(policy, context_of("post_tool_call")) == ("deny", "nothing of it")


def test_rules_about_requests():
    policy = rules(
        {
            "point": "pre_http_request",
            "domain": {"matches": "*.example.org"},
            "method": "GET",
            "decision": "allow",
        },
        {"point": "pre_http_request", "method": ["PUT", "POST"], "decision": "deny", "reason": "read only"},
    )

    def asked(method, url):
        return decided(policy, context_of("pre_http_request", target=HttpRequest(method, url)))

    assert asked("GET", "https://api.example.org/a") == ("allow", None)
    assert asked("GET", "https://example.org.evil.net/?x=api.example.org") == ("deny", "no rule allows it")
    assert asked("GET", "https://a.example.org@evil.net/") == ("deny", "no rule allows it")
    assert asked("POST", "https://api.example.org/") == ("deny", "read only")
    assert "pre_http_request" not in rules().points, "without rules about them, domains decide alone"


def test_rule_changes_arguments():
    policy = rules({"tool": "pay", "decision": "transform", "set": {"amount": 1}})
    assert policy.decide(context_of(to="x", amount=5)).value == {"to": "x", "amount": 1}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "a policy must be a mapping, got NoneType"),
        ({}, "hypercell_policy must be 1, got None"),
        ({"hypercell_policy": 2}, "hypercell_policy must be 1, got 2"),
        (
            {"hypercell_policy": 1, "rule": []},
            "a policy has 'rule', which is none of default, hypercell_policy, rules",
        ),
        (
            {"hypercell_policy": 1, "default": "warn"},
            "default must be one of allow, deny, escalate, got 'warn'",
        ),
        ({"hypercell_policy": 1, "rules": {}}, "rules must be a list, got dict"),
    ],
)
def test_policy_file_that_is_none_is_refused(given, message):
    assert refusal(RulePolicy, given) == message


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (5, "rule 2 must be a mapping, got int"),
        ({"decison": "deny"}, "rule 2 has 'decison', which is none of arguments, calls, code, decision, "),
        ({}, "rule 2: decision must be one of allow, warn, deny, escalate, transform, got None"),
        ({"point": "start", "decision": "deny"}, "rule 2: point must be one of agent_startup, input, "),
        ({"point": "input", "tool": "x", "decision": "deny"}, "rule 2: tool says nothing at input"),
        ({"tool": 5, "decision": "deny"}, "rule 2: tool must be a name or several, got 5"),
        ({"arguments": [], "decision": "deny"}, "rule 2: arguments must be conditions by name, got []"),
        ({"arguments": {"x": {"above": 1}}, "decision": "deny"}, "rule 2: x has 'above', which is none of "),
        ({"arguments": {"x": {"max": "1"}}, "decision": "deny"}, "rule 2: x: max must be a number, got '1'"),
        ({"arguments": {"x": {"in": 1}}, "decision": "deny"}, "rule 2: x: in must be a list, got 1"),
        (
            {"arguments": {"x": {"matches": 1}}, "decision": "deny"},
            "rule 2: x: matches must be a pattern, got 1",
        ),
        ({"decision": "deny", "reason": 5}, "rule 2: reason must be a text, got int"),
        (
            {"point": "post_tool_call", "decision": "escalate"},
            "rule 2: nobody can be asked at post_tool_call",
        ),
        ({"decision": "transform"}, "rule 2: transform and set go together"),
        ({"decision": "deny", "set": {}}, "rule 2: transform and set go together"),
        ({"point": "input", "decision": "transform", "set": {}}, "rule 2: a file transforms arguments alone"),
        ({"decision": "transform", "set": []}, "rule 2: set must be values by name, got []"),
    ],
)
def test_rule_that_is_none_is_refused_with_its_number(rule, message):
    assert refusal(rules, {"decision": "allow"}, rule).startswith(message)


def test_policy_is_read_from_a_file(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(
        "hypercell_policy: 1\nrules:\n  - tool: pay\n    arguments: {amount: {max: 10}}\n    decision: allow\n"
    )
    assert RulePolicy.load(path).decide(context_of(amount=5)).decision == "allow"
    for text, reason in [
        ("hypercell_policy: [", "while parsing"),
        ("- 1", "a policy must be a mapping, got list"),
        ("!!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("#" * (1 << 20) + "\n", f"has more than {1 << 20} bytes"),
    ]:
        path.write_text(text)
        message = refusal(RulePolicy.load, path)
        assert message.startswith(f"the policy {str(path)!r} cannot be used: ")
        assert reason in message
    assert "cannot be used" in refusal(RulePolicy.load, tmp_path / "missing")


def test_annotated_descriptions_reach_the_model():
    def find(key: Annotated[str, "what to look for"]) -> None: ...

    assert "\n- find(key: str) -> None\n    key: what to look for\n" in CodeAct(find).instructions()
