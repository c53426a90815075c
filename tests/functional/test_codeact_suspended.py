"""Blocks that wait for an approval as values: kept, written, gone on from elsewhere, and refused if damaged."""

import asyncio
import json
import os
import stat
import subprocess
import sys

import pytest

from hypercell import Limits, PolicyError, SnapshotError, _native
from hypercell.codeact import (
    Approval,
    CodeActTool,
    ExecuteCodeTool,
    Intervention,
    Policy,
    SuspendedBlock,
    Verdict,
)

pytestmark = pytest.mark.usefixtures("hypercell_with_image")

CODE = """\
total = sum(price(item=item) for item in ["tea", "cake"])
print("total", total)
try:
    said = pay(to="ada", amount=total)
except ToolError as error:
    said = error.message
said.upper()
"""

# What another process is given: the same tools, and nothing of the first process.
RESUME = """
import asyncio, json, sys
from hypercell.codeact import Approval, CodeActTool, ExecuteCodeTool, SuspendedBlock

calls = []

def price(item: str) -> int:
    calls.append(item)
    return 5

def pay(to: str, amount: float) -> str:
    calls.append((to, amount))
    return f"paid {amount} to {to}"

tool = ExecuteCodeTool([price, CodeActTool(pay, approval="ask")])
block = SuspendedBlock.load(sys.argv[1], digest=sys.argv[2])
answer = {"allow": True, "deny": Approval.deny("not today"), "edit": Approval.edit({"to": "bob", "amount": 1})}
result = asyncio.run(tool.resume(block, answer[sys.argv[3]]))
request = block.request
json.dump(
    {
        "asked": [request.tool, dict(request.arguments), request.line, request.call_id, request.code],
        "value": result.value,
        "stdout": result.stdout,
        "calls": calls,
        "tool_calls": result.usage.tool_calls,
    },
    sys.stdout,
)
"""


def price(item: str) -> int:
    """Says what an item costs."""
    return {"tea": 3, "cake": 4}[item]


def pay(to: str, amount: float) -> str:
    """Pays somebody."""
    return f"paid {amount} to {to}"


TOOLS = [price, CodeActTool(pay, approval="ask")]


def suspend(request):
    return Approval.suspend()


@pytest.fixture
def tool():
    return ExecuteCodeTool(TOOLS, approve=suspend)


@pytest.fixture
def block(tool):
    result = tool.execute_code_sync(CODE)
    assert (result.status, result.value, result.stdout) == ("suspended", None, "total 7\n")
    assert result.render() == "total 7\nwaits for an approval: pay with {'to': 'ada', 'amount': 7}"
    return result.suspended


@pytest.mark.parametrize(
    ("answer", "value", "calls"),
    [
        ("allow", "PAID 7.0 TO ADA", [["ada", 7.0]]),
        ("deny", "NOT TODAY", []),
        ("edit", "PAID 1.0 TO BOB", [["bob", 1.0]]),
    ],
)
def test_approval_waits_across_a_restart_of_the_process(block, tmp_path, answer, value, calls):
    digest = block.save(tmp_path / "block")
    done = subprocess.run(
        [sys.executable, "-c", RESUME, str(tmp_path / "block"), digest, answer],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "asked": ["pay", {"to": "ada", "amount": 7}, 4, 3, CODE],
        "value": value,
        "stdout": "total 7\n",
        "calls": calls,
        "tool_calls": 3,
    }


@pytest.mark.parametrize("how", ["sync", "async"])
def test_block_goes_on_here_as_often_as_asked(tool, block, how):
    def resume(approval):
        if how == "sync":
            return tool.resume_sync(block, approval)
        return asyncio.run(tool.resume(block, approval))

    assert resume(True).value == "PAID 7.0 TO ADA"
    denied = resume(False)
    assert (denied.status, denied.value) == ("ok", "NOT APPROVED")
    assert resume(Approval.edit({"to": "bob", "amount": 2})).value == "PAID 2.0 TO BOB"


def test_block_that_asks_again_is_suspended_again(tool):
    result = tool.execute_code_sync("[pay(to=to, amount=1) for to in ('ada', 'bob')]")
    again = tool.resume_sync(result.suspended, True)
    assert (again.status, again.suspended.request.arguments["to"]) == ("suspended", "bob")
    assert again.suspended.request.block_id == result.suspended.request.block_id
    assert tool.resume_sync(again.suspended, True).value == ["paid 1.0 to ada", "paid 1.0 to bob"]


def test_counts_and_interventions_go_with_the_block(tmp_path):
    def decide(context):
        if context.tool == "price":
            return Verdict.warn("watch this")
        return Verdict.deny("enough") if context.calls.get("pay", 0) > 1 else Verdict.allow()

    policy = Policy(decide, points=["pre_tool_call"])
    tool = ExecuteCodeTool(TOOLS, approve=suspend, policy=policy)
    first = tool.execute_code_sync(
        "price(item='tea')\npay(to='a', amount=1)\npay(to='b', amount=1)"
    ).suspended
    assert (first.calls, len(first.interventions)) == ({"price": 1, "pay": 1}, 1)
    first.save(tmp_path)
    loaded = SuspendedBlock.load(tmp_path)
    assert (loaded.request, loaded.calls, loaded.interventions) == (
        first.request,
        first.calls,
        first.interventions,
    )
    result = ExecuteCodeTool(TOOLS, policy=policy).resume_sync(loaded, True)
    assert result.error.message == "tool 'pay' failed: PermissionError: enough"
    assert result.interventions == (
        Intervention("pre_tool_call", "warn", "price", "watch this"),
        Intervention("pre_tool_call", "deny", "pay", "enough"),
    )


def test_policy_decides_again_when_the_answer_comes(block):
    policy = Policy(lambda _: Verdict.deny("closed by now"), points=["pre_tool_call"])
    result = ExecuteCodeTool(TOOLS, policy=policy).resume_sync(block, True)
    assert result.value == "CLOSED BY NOW"


def test_tools_that_came_since_are_left_out(tool, block):
    tool.add_tools({"later": lambda: 1})
    assert tool.resume_sync(block, True).value == "PAID 7.0 TO ADA"


def test_what_was_taken_away_since_is_refused(tool, block, tmp_path):
    tool.remove_tool("pay")
    with pytest.raises(PolicyError, match="pay"):
        tool.resume_sync(block, True)
    tool.add_tools(CodeActTool(pay, approval="ask"))
    tool.add_file_mounts((tmp_path, "/data"))
    with pytest.raises(PolicyError, match="/data"):
        asyncio.run(tool.resume(block, True))
    tool.clear_file_mounts()
    assert tool.resume_sync(block, True).value == "PAID 7.0 TO ADA"


def test_limits_are_those_that_the_block_began_with():
    before = ExecuteCodeTool(TOOLS, approve=suspend, limits=Limits(tool_calls=3))
    block = before.execute_code_sync(CODE + "price(item='tea')").suspended
    result = ExecuteCodeTool(TOOLS).resume_sync(block, True)
    assert (result.status, result.error.type) == ("error", "ToolLimitError")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "an approver must return an Approval or bool, got NoneType"),
        (Approval.suspend(), "the block is suspended already; answer allow, deny or edit"),
    ],
)
def test_answer_that_is_none_is_refused(tool, block, answer, message):
    with pytest.raises(PolicyError) as caught:
        tool.resume_sync(block, answer)
    assert str(caught.value) == message
    with pytest.raises(PolicyError, match="suspended must be a SuspendedBlock, got str"):
        tool.resume_sync("block", True)


def test_files_are_for_this_user_alone(block, tmp_path):
    block.save(tmp_path / "new" / "block")
    place = tmp_path / "new" / "block"
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert sorted(path.name for path in place.iterdir()) == ["block.cbor", "vm.snapshot"]
    for path in place.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_values_of_any_kind_wait_too(tmp_path):
    import datetime

    def keep(what: dict[str, object]) -> str:
        return repr(what)

    tool = ExecuteCodeTool(CodeActTool(keep, approval="ask"), approve=suspend)
    code = "import datetime\nkeep(what={'at': datetime.date(2024, 5, 1), 'raw': b'\\x00', 'n': 2**70})"
    tool.execute_code_sync(code).suspended.save(tmp_path)
    loaded = SuspendedBlock.load(tmp_path)
    expected = {"at": datetime.date(2024, 5, 1), "raw": b"\x00", "n": 2**70}
    assert loaded.request.arguments == {"what": expected}
    assert tool.resume_sync(loaded, True).value == repr(expected)


# Files that are not what `save` wrote.


@pytest.fixture
def kept(block, tmp_path):
    block.save(tmp_path / "kept")
    return tmp_path / "kept"


def rewrite(place, change):
    """Changes what is in the file of a block as whoever may write it could."""
    path = place / "block.cbor"
    data = _native.decode_value(path.read_bytes())
    change(data)
    path.write_bytes(_native.encode_value(data))


def test_block_of_another_digest_is_refused(block, kept):
    with pytest.raises(SnapshotError, match=f"has the digest .*, not {'0' * 64}"):
        SuspendedBlock.load(kept, digest="0" * 64)
    again = block.save(kept)
    assert SuspendedBlock.load(kept, digest=again).request == block.request


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["request"].update(tool="price"),
        lambda data: data["request"].update(tool=5),
        lambda data: data["request"].update(kind="block"),
        lambda data: data["request"].update(arguments=[]),
        lambda data: data["request"].update(arguments={1: 2}),
        lambda data: data["request"].update(line="four"),
        lambda data: data["request"].update(extra=1),
        lambda data: data["request"].pop("code"),
        lambda data: data.update(request=None),
        lambda data: data.update(calls=[]),
        lambda data: data.update(calls={"pay": "many"}),
        lambda data: data.update(interventions=[{}]),
        lambda data: data.update(interventions=[{"point": 1, "decision": 2}]),
        lambda data: data.update(format=2),
        lambda data: data.update(snapshot="0" * 64),
        lambda data: data.pop("format"),
    ],
)
def test_block_that_was_changed_is_refused(kept, change):
    rewrite(kept, change)
    with pytest.raises(SnapshotError):
        SuspendedBlock.load(kept)


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x01", b"x" * (33 << 20)])
def test_file_that_is_no_block_is_refused(kept, data):
    (kept / "block.cbor").write_bytes(data)
    with pytest.raises(SnapshotError):
        SuspendedBlock.load(kept)


def test_what_cannot_be_read_or_written_is_said(block, tmp_path):
    with pytest.raises(SnapshotError, match="no block can be read from"):
        SuspendedBlock.load(tmp_path / "missing")
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(SnapshotError, match="cannot be written"):
        block.save(os.fspath(file))
