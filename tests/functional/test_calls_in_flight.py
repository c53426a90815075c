"""Several tool calls at once from one block of code, in real micro-VMs and in sandboxes of both kinds."""

import asyncio
import threading
import time

import pytest

import hypercell

GATHER = """
import asyncio
await asyncio.gather(*[call_tool_async(name, n=n) for n in range(count)])
"""


@pytest.fixture(params=["Sandbox", "AsyncSandbox"])
def run(request, hypercell_with_image):
    """Runs code in a sandbox of either kind; returns the result."""

    def run(code, *, tools=(), limits=None, inputs=None, **options):
        if request.param == "Sandbox":
            with hypercell_with_image.Sandbox(tools, limits=limits, **options) as box:
                return box.run(code, inputs=inputs)

        async def main():
            async with hypercell_with_image.AsyncSandbox(tools, limits=limits, **options) as box:
                return await box.run(code, inputs=inputs)

        return asyncio.run(main())

    return run


async def double(n: int) -> int:
    """Doubles a number."""
    await asyncio.sleep(0.01)
    return n * 2


def block(n: int) -> int:
    time.sleep(0.01)
    return n * 2


def value(result):
    result.raise_for_error()
    return result.value


@pytest.mark.gate("ToolWait", aspect="allowed")
@pytest.mark.parametrize("name", ["double", "block"])
def test_gathered_calls_run_at_once_and_keep_their_order(run, name):
    result = run(GATHER, tools=[double, block], inputs={"name": name, "count": 40})
    assert value(result) == [n * 2 for n in range(40)]
    assert result.usage.tool_calls == 40
    # Never more than a turn for each that gets done by itself.
    assert result.usage.turns <= 42
    assert result.usage.wall_time_s < 0.3


def test_hundred_calls_of_ten_milliseconds_take_as_long_as_a_few(run):
    code = "import asyncio, time\nstart = time.monotonic()\n" + GATHER + "time.monotonic() - start"
    assert value(run(code, tools=[double], inputs={"name": "double", "count": 100})) < 0.2


def test_thousands_of_calls_are_more_than_may_be_in_flight_and_all_work(run):
    limits = hypercell.Limits(tool_calls=2500)
    tools = {"same": lambda n: n}
    result = run(GATHER, tools=tools, limits=limits, inputs={"name": "same", "count": 2500})
    assert value(result) == list(range(2500))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("async def main():\n    return await call_tool_async('double', n=4)\nasyncio.run(main())", 8),
        ("[await one for one in asyncio.as_completed([call_tool_async('double', n=4)])]", [8]),
        ("await asyncio.wait_for(call_tool_async('double', n=4), 10)", 8),
        ("await asyncio.gather(call_tool_async('double', n=1), asyncio.sleep(0.02, 'slept'))", [2, "slept"]),
        (
            "task = asyncio.create_task(call_tool_async('double', n=1))\n"
            "[double(n=2), block(n=3), await task]",
            [4, 6, 2],
        ),
        (
            "done, _ = await asyncio.wait([asyncio.create_task(call_tool_async('double', n=1))])\n"
            "[task.result() for task in done]",
            [2],
        ),
    ],
)
def test_asyncio_of_the_guest_works_with_calls(run, code, expected):
    assert value(run("import asyncio\n" + code, tools=[double, block])) == expected


def test_task_group(run):
    code = """
import asyncio, sys
if sys.version_info < (3, 11):
    values = [2, 4]
else:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(call_tool_async('double', n=n)) for n in (1, 2)]
    values = [task.result() for task in tasks]
values
"""
    assert value(run(code, tools=[double])) == [2, 4]


def test_timeout_in_the_guest_cancels_the_tool_on_the_host(run):
    seen = []

    async def hang():
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("cancelled")

    code = """
import asyncio
try:
    await asyncio.wait_for(call_tool_async('hang'), 0.05)
except asyncio.TimeoutError:
    outcome = 'timeout'
[outcome, await call_tool_async('double', n=4)]
"""
    result = run(code, tools=[hang, double])
    assert (value(result), seen) == (["timeout", 8], ["cancelled"])
    assert result.usage.wall_time_s < 1


def test_run_that_ends_first_cancels_its_calls(run):
    seen = []

    async def hang():
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("cancelled")

    code = "import asyncio\ntask = asyncio.create_task(call_tool_async('hang'))\nawait asyncio.sleep(0.02)\n'left'"
    assert value(run(code, tools=[hang])) == "left"
    assert seen == ["cancelled"]


def test_errors_belong_to_their_calls(run):
    async def fail(n):
        raise KeyError(n)

    code = """
import asyncio
outcomes = await asyncio.gather(
    call_tool_async('fail', n=1), call_tool_async('double', n=2), call_tool_async('double', n='x'),
    call_tool_async('nothing'), return_exceptions=True)
[o if isinstance(o, int) else [type(o).__name__, str(o)] for o in outcomes]
"""
    failed, good, wrong, unknown = value(run(code, tools=[fail, double]))
    assert (failed, good) == (["ToolError", "tool 'fail' failed: KeyError: 1"], 4)
    assert (wrong[0], unknown[0]) == ("TypeError", "ToolError")
    assert "no tool is named" in unknown[1]


def test_error_names_the_line_of_the_code(run):
    async def fail():
        raise KeyError("k")

    result = run("x = 1\nawait call_tool_async('fail')", tools=[fail])
    assert (result.error.type, result.error.line) == ("ToolError", 2)
    assert "hypercell_guest" not in result.error.traceback


def test_large_values_cross_both_ways(run):
    code = """
import asyncio
data = await asyncio.gather(*[call_tool_async('grow', data=bytes([n]) * 500_000) for n in range(12)])
[len(one) for one in data] == [1_000_000] * 12 and [one[0] for one in data] == list(range(12))
"""
    assert value(run(code, tools={"grow": lambda data: data * 2})) is True


def test_state_that_is_kept_goes_on_after_calls_were_left(hypercell_with_image):
    async def hang():
        await asyncio.sleep(60)

    with hypercell_with_image.Sandbox([hang, double], keep_state=True) as box:
        box.run(
            "import asyncio\nt = asyncio.create_task(call_tool_async('hang'))\nawait asyncio.sleep(0.01)\nx = 5"
        )
        assert value(box.run("[x, await call_tool_async('double', n=x)]")) == [5, 10]


@pytest.mark.gate("ToolWait", aspect="at_limit")
def test_calls_count_and_one_too_many_ends_the_run(run):
    ran = []
    tools = {"note": ran.append}
    code = "import asyncio\nlen(await asyncio.gather(*[call_tool_async('note', object=1) for n in range(count)]))"
    limits = hypercell.Limits(tool_calls=10)

    def note(object):  # noqa: A002
        ran.append(object)

    tools = {"note": note}
    assert value(run(code, tools=tools, limits=limits, inputs={"count": 10})) == 10
    assert len(ran) == 10
    with pytest.raises(hypercell.ToolLimitError):
        run(code, tools=tools, limits=limits, inputs={"count": 11})


@pytest.mark.gate("ToolWait", aspect="denied_by_default")
def test_tools_are_denied_by_default_and_by_limit_each_for_itself(run):
    events = []
    code = """
import asyncio
outcomes = await asyncio.gather(
    *[call_tool_async(name, **arguments) for name, arguments in calls], return_exceptions=True)
[type(o).__name__ for o in outcomes]
"""
    calls = [["secret", {}], ["Double", {"n": 1}], ["double", {"n": 1}], ["double", {"n": 10**60}]]
    limits = hypercell.Limits(tool_argument_bytes=20)
    kinds = value(run(code, tools=[double], limits=limits, inputs={"calls": calls}, on_audit=events.append))
    assert kinds == ["ToolError", "ToolError", "int", "ToolError"]
    decisions = [(event.event, event.name, event.reason) for event in events if event.decision is not None]
    assert decisions == [
        ("tool_denied", "secret", "unknown_tool"),
        ("tool_denied", "Double", "unknown_tool"),
        ("tool_allowed", "double", None),
        ("tool_denied", "double", "arguments_too_long"),
    ]
    assert value(run(code, inputs={"calls": calls[:1]})) == ["ToolError"]


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_time_limit_ends_calls_in_flight_and_names_a_tool(run, kind):
    release = threading.Event()

    async def hang():
        await asyncio.sleep(60)

    tool = hang if kind == "async" else lambda: release.wait(60)
    code = (
        "import asyncio\nprint('calling')\nawait asyncio.gather(*[call_tool_async('tool') for _ in range(3)])"
    )
    before = time.monotonic()
    with pytest.raises(hypercell.TimeLimitError) as caught:
        run(code, tools={"tool": tool}, limits=hypercell.Limits(wall_time_s=0.5))
    release.set()
    assert time.monotonic() - before < 3
    assert (caught.value.tool, caught.value.result.stdout) == ("tool", "calling\n")


def test_wait_of_the_guest_honours_the_time_limit(run):
    async def hang():
        await asyncio.sleep(60)

    code = "import asyncio\nawait asyncio.wait_for(call_tool_async('hang'), 3600)"
    before = time.monotonic()
    with pytest.raises(hypercell.TimeLimitError):
        run(code, tools=[hang], limits=hypercell.Limits(wall_time_s=0.4))
    assert time.monotonic() - before < 3


@pytest.mark.usefixtures("hypercell_with_image")
def test_cancelled_task_ends_calls_in_flight_and_the_sandbox_goes_on():
    seen = []

    async def hang():
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("cancelled")

    async def main():
        async with hypercell.AsyncSandbox([hang, double]) as box:
            code = "import asyncio\nawait asyncio.gather(*[call_tool_async('hang') for _ in range(5)])"
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(box.run(code), 0.3)
            return (await box.run("await call_tool_async('double', n=4)")).value

    assert asyncio.run(main()) == 8
    assert seen == ["cancelled"] * 5


def test_wait_that_nothing_can_end_is_still_an_error(run):
    result = run("import asyncio\nawait asyncio.get_running_loop().create_future()")
    assert result.error.type == "OSError"
