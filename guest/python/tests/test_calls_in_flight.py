"""`call_tool_async`: what the host is asked, when, and what the code sees. The host here is the test."""

import pytest

from hypercell_guest.codec import encode

REQUEST = {"name": "<code>", "inputs": {}, "tools": [], "keep": False, "seed": bytes(32), "max_value": 1000}
GATHER = "import asyncio\nawait asyncio.gather(*[call_tool_async('add', a=n) for n in range(5)])"


def add(a, b=1):
    """Adds two numbers."""
    return a + b


def waits(guest):
    return [body for name, body in guest.frames if name == "ToolWait"]


def test_gathered_calls_leave_in_one_frame_and_keep_their_order(guest):
    assert guest.value(GATHER, {"add": add}) == [1, 2, 3, 4, 5]
    (wait,) = waits(guest)
    assert [call["args"] for call in wait["calls"]] == [{"a": n} for n in range(5)]
    assert len({call["id"] for call in wait["calls"]}) == 5
    assert (wait["cancel"], wait["timeout"]) == ([], None)


@pytest.mark.parametrize(
    "code",
    [
        "import asyncio\nawait call_tool_async('add', a=1)",
        "import asyncio\nasync def main():\n    return await call_tool_async('add', a=1)\nasyncio.run(main())",
        "import asyncio\nloop = asyncio.new_event_loop()\nx = loop.run_until_complete(call_tool_async('add', a=1))\n"
        "loop.close()\nx",
        "import asyncio\nawait asyncio.wait_for(call_tool_async('add', a=1), 60)",
        "import asyncio\nawait asyncio.shield(call_tool_async('add', a=1))",
        "import asyncio\ntask = asyncio.create_task(call_tool_async('add', a=1))\nawait asyncio.sleep(0)\nawait task",
        "import asyncio\n[await one for one in asyncio.as_completed([call_tool_async('add', a=1)])][0]",
    ],
)
def test_every_way_to_await_it_works(guest, code):
    assert guest.value(code, {"add": add}) == 2


def test_task_group_and_calls_that_follow_calls(guest):
    code = """
import asyncio
async def chain(n):
    for _ in range(3):
        n = await call_tool_async('add', a=n, b=10)
    return n
await asyncio.gather(*map(chain, range(4)))
"""
    assert guest.value(code, {"add": add}) == [30, 31, 32, 33]
    assert [len(wait["calls"]) for wait in waits(guest)] == [4, 4, 4]


def test_sync_call_output_and_sleep_mix_with_calls_in_flight(guest):
    code = """
import asyncio
task = asyncio.create_task(call_tool_async('add', a=1))
await asyncio.sleep(0.002)
print('between')
[call_tool('add', a=5), await task]
"""
    done = guest.run(code, {"add": add})
    assert (done["value"], done.out) == ([6, 2], "between\n")


def test_first_answer_is_used_before_the_others_come(guest):
    held = []

    def take(tools, wait):
        held.extend(guest.reply(tools, call) for call in wait["calls"])
        return [held.pop()]

    guest.take = take
    code = """
import asyncio
order = []
async def one(n):
    order.append(await call_tool_async('add', a=n))
await asyncio.gather(*map(one, range(3)))
order
"""
    assert guest.value(code, {"add": add}) == [3, 2, 1]
    assert [len(wait["calls"]) for wait in waits(guest)] == [3, 0, 0]


def test_timers_of_the_loop_bound_the_wait_and_fire(guest):
    guest.take = lambda tools, wait: (
        [] if wait["timeout"] else [guest.reply(tools, call) for call in held(guest)]
    )
    code = """
import asyncio
seen = []
asyncio.get_running_loop().call_later(0.03, seen.append, 'timer')
value = await call_tool_async('add', a=1)
[value, seen]
"""
    assert guest.value(code, {"add": add}) == [2, ["timer"]]
    first, *_ = waits(guest)
    assert 0 < first["timeout"] <= 30_001_000


def held(guest):
    """The calls that wait for an answer."""
    answered = {
        reply["id"] for name, body in guest.frames if name == "ToolReplies" for reply in body["replies"]
    }
    calls = [call for wait in waits(guest) for call in wait["calls"]]
    return [call for call in calls if call["id"] not in answered]


def test_timeout_of_one_call_raises_and_the_host_is_told_once(guest):
    guest.take = lambda tools, wait: (
        [] if wait["timeout"] is not None else [guest.reply(tools, call) for call in held(guest)]
    )
    code = """
import asyncio
try:
    await asyncio.wait_for(call_tool_async('add', a=1), 0.01)
except asyncio.TimeoutError:
    outcome = 'timeout'
[outcome, await call_tool_async('add', a=5)]
"""
    assert guest.value(code, {"add": add}) == ["timeout", 6]
    sent = waits(guest)
    first = sent[0]["calls"][0]["id"]
    assert [wait["cancel"] for wait in sent if wait["cancel"]] == [[first]]


def test_cancelled_task_of_several_leaves_the_others_alone(guest):
    code = """
import asyncio
tasks = [asyncio.create_task(call_tool_async('add', a=n)) for n in range(3)]
await asyncio.sleep(0)
tasks[1].cancel()
await asyncio.gather(*tasks, return_exceptions=True)
[task.cancelled() or task.result() for task in tasks]
"""
    assert guest.value(code, {"add": add}) == [1, True, 3]
    # It had not left the guest yet, so the host never hears of it.
    assert [[call["args"]["a"] for call in wait["calls"]] for wait in waits(guest)] == [[0, 2]]


def test_failed_call_raises_where_it_is_awaited_and_the_others_go_on(guest):
    def fail(key):
        raise KeyError(key)

    code = """
import asyncio
outcomes = await asyncio.gather(
    call_tool_async('fail', key='x'), call_tool_async('add', a=1), return_exceptions=True
)
try:
    await call_tool_async('fail', key='y')
except ToolError as error:
    caught = [error.tool, error.type, error.message, str(error)]
[type(outcomes[0]).__name__, outcomes[1], caught]
"""
    assert guest.value(code, {"add": add, "fail": fail}) == [
        "ToolError",
        2,
        ["fail", "KeyError", "'y'", "tool 'fail' failed: KeyError: 'y'"],
    ]


def test_traceback_of_a_failed_call_names_the_codes_line_only(guest):
    def fail():
        raise KeyError("k")

    done = guest.run("x = 1\nawait call_tool_async('fail')", {"fail": fail})
    lines = [
        line for line in done["err"]["tb"].splitlines() if line.startswith("  File") and "asyncio" not in line
    ]
    assert (done["err"]["line"], lines) == (2, ['  File "<code>", line 2, in <module>'])


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("call_tool_async('add', a=print)", "ValueNotSendableError"),
        ("call_tool_async('add', 1)", "TypeError"),
        ("call_tool_async(5)", "TypeError"),
        ("call_tool_async('n' * 129)", "ValueError"),
        ("call_tool_async('add', a=bytes(16 << 20))", "ValueNotSendableError"),
    ],
)
def test_call_that_cannot_be_sent_raises_and_sends_nothing(guest, call, kind):
    assert guest.error(f"await {call}", {"add": add})[0] == kind
    assert waits(guest) == []


def test_more_calls_than_may_be_in_flight_leave_as_others_are_answered(guest):
    code = "import asyncio\nsum(await asyncio.gather(*[call_tool_async('add', a=n) for n in range(2500)]))"
    assert guest.value(code, {"add": add}) == sum(range(1, 2501))
    assert [len(wait["calls"]) for wait in waits(guest)] == [1024, 1024, 452]


def test_large_arguments_leave_as_others_are_answered(guest):
    code = """
import asyncio
sum(await asyncio.gather(*[call_tool_async('size', data=bytes(6 << 20)) for n in range(5)]))
"""
    assert guest.value(code, {"size": lambda data: len(data)}) == 5 * (6 << 20)
    assert [len(wait["calls"]) for wait in waits(guest)] == [2, 2, 1]


def test_largest_arguments_leave_alone(guest):
    code = """
import asyncio
size = (16 << 20) - 11
await asyncio.gather(*[call_tool_async('size', data=bytes(size)), call_tool_async('size', data=b'x')])
"""
    assert guest.value(code, {"size": lambda data: len(data)}) == [(16 << 20) - 11, 1]
    assert [len(wait["calls"]) for wait in waits(guest)] == [1, 1]


def test_many_items_leave_as_others_are_answered(guest):
    code = """
import asyncio
await asyncio.gather(*[call_tool_async('size', data=[0] * 400_000) for n in range(3)])
"""
    assert guest.value(code, {"size": lambda data: len(data)}) == [400_000] * 3
    assert [len(wait["calls"]) for wait in waits(guest)] == [2, 1]


def test_deepest_value_comes_back(guest):
    value = []
    for _ in range(63):
        value = [value]
    code = "depth, x = 0, await call_tool_async('deep')\nwhile x:\n    depth, x = depth + 1, x[0]\ndepth"
    guest.send("RunRequest", {**REQUEST, "code": code})
    (call,) = guest.receive("ToolWait")["calls"]
    reply = b"\xa2\x62id" + encode(call["id"]) + b"\x62ok" + encode(value)
    guest.send("ToolReplies", b"\xa1\x67replies\x81" + reply)
    assert guest.receive("RunDone") == {"value": 63}


def test_loop_that_always_has_something_to_do_still_gets_its_answers(guest):
    code = """
import asyncio
task = asyncio.create_task(call_tool_async('add', a=1))
turns = 0
while not task.done():
    await asyncio.sleep(0)
    turns += 1
[task.result(), turns < 100_000]
"""
    assert guest.value(code, {"add": add}) == [2, True]


def test_files_of_the_guest_still_wake_the_loop(guest):
    code = """
import asyncio, socket
ours, theirs = socket.socketpair()
ours.setblocking(False)
loop = asyncio.get_running_loop()
task = asyncio.create_task(call_tool_async('add', a=1))
theirs.send(b'x')
data = await loop.sock_recv(ours, 1)
value = [data, await task]
ours.close(); theirs.close()
value
"""
    assert guest.value(code, {"add": add}) == [b"x", 2]


def test_calls_that_nobody_awaits_any_more_do_not_reach_the_next_run(guest):
    guest.take = lambda *_: []
    code = """
import asyncio
task = asyncio.create_task(call_tool_async('add', a=1))
await asyncio.sleep(0.005)
'done'
"""
    assert guest.value(code, {"add": add}, keep=True) == "done"
    first = [call["id"] for wait in waits(guest) for call in wait["calls"]]
    del guest.take
    guest.frames.clear()
    assert guest.value("await call_tool_async('add', a=2)", {"add": add}, keep=True) == 3
    (wait,) = waits(guest)
    assert wait["cancel"] == []
    assert wait["calls"][0]["id"] not in first


def test_tool_names_do_not_hide_it_and_it_is_documented(guest):
    code = "[call_tool_async.__name__, call_tool_async.__module__, bool(call_tool_async.__doc__)]"
    assert guest.value(code) == ["call_tool_async", "__main__", True]


@pytest.mark.parametrize(
    "answer",
    [
        ("ToolReply", {"id": 1, "ok": 1}),
        ("ToolReplies", {"replies": [{"id": 9, "ok": 1}]}),
        ("OutputAck", {}),
    ],
)
def test_answer_that_is_none_ends_the_process(guest, answer):
    request = {
        "name": "<code>",
        "inputs": {},
        "tools": [],
        "keep": False,
        "seed": bytes(32),
        "max_value": 1000,
    }
    guest.send("RunRequest", {"code": "await call_tool_async('x')", **request})
    guest.receive("ToolWait")
    guest.send(*answer)
    assert guest.process.wait(10) == 70


def test_calls_of_threads_leave_together_and_are_answered_in_any_order(guest):
    waiting = []

    def take(tools, wait):
        waiting.extend(wait["calls"])
        return [guest.reply(tools, waiting.pop())] if waiting else []

    guest.take = take
    code = """
import threading
values = {}
def call(n):
    values[n] = call_tool('add', a=n)
threads = [threading.Thread(target=call, args=(n,)) for n in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
[values[n] for n in range(6)]
"""
    assert guest.value(code, {"add": add}) == [1, 2, 3, 4, 5, 6]


def test_run_waits_for_its_threads_and_has_what_they_print(guest):
    code = """
import threading, time
def late():
    time.sleep(0.02)
    print('late')
    seen.append(1)
seen = []
threading.Thread(target=late).start()
seen
"""
    done = guest.run(code)
    assert (done["value"], done.out) == ([1], "late\n")
