"""`hypercell mcp` as a client of the official SDK sees it, over standard input and output."""

import asyncio
import base64
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import mcp.types as types
import pytest
from mcp import Client, StdioServerParameters

TESTS = Path(__file__).parents[1]
COMMAND = Path(sys.executable).with_name("hypercell")

pytestmark = pytest.mark.usefixtures("hypercell_with_image")

both_protocols = pytest.mark.parametrize("mode", ["auto", "legacy"])


class User:
    """Answers the questions of a server."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def __call__(self, _, params):
        self.asked.append(params.message)
        answer = self.answers.pop(0)
        if isinstance(answer, str):
            return types.ElicitResult(action=answer)
        return types.ElicitResult(action="accept", content={"approve": answer})


@asynccontextmanager
async def connected(*arguments, mode="auto", user=None):
    import os

    server = StdioServerParameters(
        command=str(COMMAND), args=["mcp", *arguments], cwd=str(TESTS), env=dict(os.environ)
    )
    async with Client(server, mode=mode, elicitation_callback=user, read_timeout_seconds=100) as client:
        yield client


async def execute(client, code):
    return await client.call_tool("execute_code", {"code": code})


def texts(result):
    return [content.text for content in result.content if content.type == "text"]


@both_protocols
def test_client_lists_and_calls_the_tool(mode, tmp_path):
    (tmp_path / "a.csv").write_text("1,2\n3,4\n")

    async def main():
        grants = ["--tools", "mcp_tools:ALL", "--mount", f"{tmp_path}:/data", "--allow", "GET api.github.com"]
        async with connected(*grants, mode=mode) as client:
            (tool,) = (await client.list_tools()).tools
            assert tool.name == "execute_code"
            assert tool.input_schema["required"] == ["code"]
            assert "- add(a: int, b: int = 0) -> int: Adds two numbers." in tool.description
            assert "Files: /data (read-only)." in tool.description
            assert "HTTP with urllib.request to api.github.com (GET); nothing else." in tool.description
            code = "rows = [line.split(',') for line in open('/data/a.csv')]\nprint(len(rows))\nadd(a=int(rows[1][0]))"
            result = await execute(client, code)
            assert (texts(result), result.is_error) == (["2\nvalue: 3"], False)

    asyncio.run(main())


@both_protocols
def test_error_of_the_code_is_an_error_of_the_tool(mode):
    async def main():
        async with connected(mode=mode) as client:
            result = await execute(client, "1 / 0")
            assert result.is_error
            assert texts(result)[0].endswith("ZeroDivisionError: division by zero")
            result = await execute(client, "1 + 1")
            assert (texts(result), result.is_error) == (["value: 2"], False)

    asyncio.run(main())


def test_files_are_attached_with_their_media_types():
    async def main():
        async with connected() as client:
            code = (
                "open('/output/a b.csv', 'w').write('1')\nopen('/output/p.png', 'wb').write(b'png')\n"
                "open('/output/big', 'wb').write(bytes(9 << 20))\nNone"
            )
            result = await execute(client, code)
            image = next(content for content in result.content if content.type == "image")
            assert (image.mime_type, base64.b64decode(image.data)) == ("image/png", b"png")
            (embedded,) = [content.resource for content in result.content if content.type == "resource"]
            assert (embedded.uri, embedded.mime_type) == ("hypercell://output/a%20b.csv", "text/csv")
            assert base64.b64decode(embedded.blob) == b"1"
            assert texts(result)[1] == "big is too large to attach: 9437184 bytes"

    asyncio.run(main())


PAY = """\
def attempt(to):
    try:
        return pay(to=to, amount=1)
    except ToolError as error:
        return error.message
[attempt("ada"), attempt("bob")]
"""


@both_protocols
def test_user_of_the_client_is_asked_about_each_call(mode):
    async def main():
        user = User(True, False)
        async with connected("--tools", "mcp_tools:ALL", "--ask", "pay", mode=mode, user=user) as client:
            result = await execute(client, PAY)
            assert texts(result) == ["value: ['paid 1.0 to ada', 'the user did not approve']"]
        assert user.asked == [
            f"The code wants to call 'pay' with:\n  to: {to!r}\n  amount: 1\nfrom line 3: 'return pay(to=to, amount=1)'"
            for to in ("ada", "bob")
        ]

    asyncio.run(main())


@both_protocols
@pytest.mark.parametrize("answer", ["decline", "cancel"])
def test_answer_that_is_no_clear_yes_denies(mode, answer):
    async def main():
        user = User(answer, answer)
        async with connected("--tools", "mcp_tools:pay", "--ask", "pay", mode=mode, user=user) as client:
            result = await execute(client, PAY)
            assert texts(result) == ["value: ['the user did not approve', 'the user did not approve']"]

    asyncio.run(main())


@both_protocols
def test_client_that_cannot_ask_anybody_denies(mode):
    async def main():
        async with connected("--tools", "mcp_tools:pay", "--ask", "pay", mode=mode) as client:
            result = await execute(client, PAY)
            (text,) = texts(result)
            assert "paid" not in text

    asyncio.run(main())


@both_protocols
def test_block_is_approved_before_it_runs(mode):
    async def main():
        user = User(True, False)
        async with connected("--ask-always", mode=mode, user=user) as client:
            assert texts(await execute(client, "6 * 7")) == ["value: 42"]
            denied = await execute(client, "6 * 7")
            assert denied.is_error
            assert texts(denied) == ["error: PermissionError: the user did not approve"]
        assert user.asked[0] == "A model wants to run this code:\n  code: '6 * 7'"

    asyncio.run(main())


def test_policy_from_a_file_decides(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "hypercell_policy: 1\n"
        "rules:\n"
        "  - {tool: add, arguments: {a: {max: 10}}, decision: allow}\n"
        "  - {tool: pay, decision: escalate, reason: money}\n"
    )

    async def main():
        user = User(True)
        async with connected("--tools", "mcp_tools:ALL", "--policy", str(policy), user=user) as client:
            assert texts(await execute(client, "pay(to='x', amount=add(a=1))")) == ["value: paid 1.0 to x"]
            assert "no rule allows it" in texts(await execute(client, "add(a=11)"))[0]
        assert user.asked[0].endswith("\nbecause: money")

    asyncio.run(main())


def test_calls_at_once_run_beside_each_other():
    async def main():
        async with connected("--tools", "mcp_tools:add") as client:
            results = await asyncio.gather(*[execute(client, f"add(a={n})") for n in range(5)])
            assert [texts(result) for result in results] == [[f"value: {n}"] for n in range(5)]

    asyncio.run(main())


def test_tool_that_prints_does_not_disturb_the_protocol():
    async def main():
        async with connected("--tools", "mcp_tools:chatty") as client:
            assert texts(await execute(client, "chatty()")) == ["value: said"]
            assert texts(await execute(client, "1")) == ["value: 1"]

    asyncio.run(main())


@pytest.mark.parametrize("arguments", [{}, {"code": 5}, {"code": "1", "more": 2}])
def test_arguments_that_are_none_are_an_error(arguments):
    async def main():
        async with connected() as client:
            result = await client.session.call_tool("execute_code", arguments)
            assert result.is_error
            result = await client.session.call_tool("other", {"code": "1"})
            assert texts(result) == ["there is no tool 'other'; there is 'execute_code'"]

    asyncio.run(main())


def test_state_that_the_server_did_not_give_is_refused():
    async def main():
        async with connected("--tools", "mcp_tools:pay", "--ask", "pay", user=User()) as client:
            answers = {"approval": types.ElicitResult(action="accept", content={"approve": True})}
            asked = await client.session.call_tool("execute_code", {"code": PAY}, allow_input_required=True)
            assert isinstance(asked, types.InputRequiredResult)
            for state, code in [("guessed", PAY), (asked.request_state, "pay(to='eve', amount=9)")]:
                result = await client.session.call_tool(
                    "execute_code", {"code": code}, input_responses=answers, request_state=state
                )
                assert result.is_error
                assert texts(result) == ["no block waits for this answer"]

    asyncio.run(main())


def test_block_that_nobody_answers_for_ends_when_too_many_wait():
    async def main():
        async with connected("--tools", "mcp_tools:pay", "--ask", "pay", user=User()) as client:
            states = []
            for _ in range(17):
                asked = await client.session.call_tool(
                    "execute_code", {"code": PAY}, allow_input_required=True
                )
                states.append(asked.request_state)
            said = []
            for state in (states[0], states[1]):
                result = await client.session.call_tool(
                    "execute_code", {"code": PAY}, request_state=state, allow_input_required=True
                )
                said.append(type(result))
            assert said == [types.CallToolResult, types.InputRequiredResult]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tools", "mcp_tools"], "hypercell: --tools 'mcp_tools' is not of the form MODULE:NAME[,NAME]"),
        (
            ["--tools", "no_such:x"],
            "hypercell: --tools 'no_such:x': ModuleNotFoundError: No module named 'no_such'",
        ),
        (
            ["--tools", "mcp_tools:gone"],
            "hypercell: --tools 'mcp_tools:gone': AttributeError: module 'mcp_tools' has no attribute 'gone'",
        ),
        (["--ask", "pay"], "hypercell: --ask 'pay' names none of the tools: []"),
    ],
)
def test_option_that_cannot_be_is_one_line(arguments, message):
    done = subprocess.run(
        [str(COMMAND), "mcp", *arguments], cwd=TESTS, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message + "\n")
