"""Blocks of code with tools, mounts and approvals, through the VM: what is granted, asked, denied and given back."""

import asyncio
import contextvars
import dataclasses
import os
import threading

import pytest

from hypercell import Limits, PolicyError, RunCancelledError
from hypercell.codeact import (
    Approval,
    CodeActProvider,
    CodeActTool,
    ExecuteCodeTool,
    Intervention,
    Policy,
    Verdict,
)

pytestmark = pytest.mark.usefixtures("hypercell_with_image")


def add(a: int, b: int = 0) -> int:
    """Adds two numbers."""
    return a + b


paid = []


def pay(to: str, amount: float) -> str:
    """Pays somebody."""
    paid.append((to, amount))
    return f"paid {amount} to {to}"


@pytest.fixture(autouse=True)
def _nobody_paid():
    paid.clear()


ASKING = [add, CodeActTool(pay, approval="ask")]
CODE = """\
total = add(a=1, b=2)
print("total", total)
try:
    said = pay(to="ada",
               amount=total)
except ToolError as error:
    said = f"{error.type}: {error.message}"
said
"""


class Approver:
    """Answers with what it was made with, and notes what it was asked."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def __call__(self, request):
        self.asked.append(request)
        return self.answers.pop(0)


class AsyncApprover(Approver):
    async def __call__(self, request):
        await asyncio.sleep(0)
        return super().__call__(request)


def run(tool, code, how, **options):
    if how == "sync":
        return tool.execute_code_sync(code, **options)
    return asyncio.run(tool.execute_code(code, **options))


both_ways = pytest.mark.parametrize("how", ["sync", "async"])


@both_ways
def test_block_gives_value_output_files_and_usage(how):
    tool = ExecuteCodeTool([add])
    code = "open('/output/a.csv', 'w').write('x')\nprint('hi')\nadd(a=1, b=call_tool('add', a=1))"
    result = run(tool, code, how)
    assert (result.status, result.value, result.stdout, result.error) == ("ok", 2, "hi\n", None)
    (file,) = result.files
    assert (file.path, file.media_type, file.data) == ("a.csv", "text/csv", b"x")
    assert result.usage.tool_calls == 2
    assert result.render() == "hi\nvalue: 2\nfiles in /output: a.csv (text/csv, 1 bytes)"


@both_ways
def test_error_of_the_code_has_its_traceback(how):
    result = run(ExecuteCodeTool(), "x = 1\nx / 0", how)
    assert (result.status, result.error.type, result.error.line) == ("error", "ZeroDivisionError", 2)
    assert result.render().endswith("ZeroDivisionError: division by zero")
    assert result.render().startswith("error: Traceback (most recent call last):\n")


@both_ways
def test_limit_is_an_error_with_what_was_written_before(how):
    tool = ExecuteCodeTool(limits=Limits(wall_time_s=0.2))
    result = run(tool, "print('before')\nwhile True: pass", how)
    assert (result.status, result.error.type, result.stdout) == ("error", "TimeLimitError", "before\n")
    assert run(tool, "1", how).value == 1, "the next block is not harmed"


@both_ways
@pytest.mark.parametrize(
    ("code", "kind"), [("x\0y", "PolicyError"), (5, "CodeTypeError"), ("#" * 2000, "CodeLimitError")]
)
def test_code_that_cannot_be_is_an_error_that_the_model_sees(how, code, kind):
    result = run(ExecuteCodeTool(limits=Limits(code_bytes=1000)), code, how)
    assert (result.status, result.error.type) == ("error", kind)
    assert result.render().startswith(f"error: {kind}: code ")


@both_ways
def test_nothing_is_kept_from_block_to_block(how):
    tool = ExecuteCodeTool()
    run(tool, "x = 1", how)
    assert run(tool, "x", how).error.type == "NameError"


# Approvals inside the block.


@both_ways
@pytest.mark.parametrize("approver", [Approver, AsyncApprover])
@pytest.mark.parametrize(
    ("answer", "said", "payments"),
    [
        (True, "paid 3.0 to ada", [("ada", 3.0)]),
        (Approval.allow(), "paid 3.0 to ada", [("ada", 3.0)]),
        (False, "PermissionError: not approved", []),
        (Approval.deny("too much"), "PermissionError: too much", []),
        (Approval.edit({"to": "bob", "amount": 1}), "paid 1.0 to bob", [("bob", 1.0)]),
    ],
)
def test_call_that_asks_waits_for_its_answer(how, approver, answer, said, payments):
    approve = approver(answer)
    result = run(ExecuteCodeTool(ASKING, approve=approve), CODE, how)
    assert (result.status, result.value, result.stdout) == ("ok", said, "total 3\n")
    assert paid == payments
    (request,) = approve.asked
    assert (request.kind, request.tool, request.arguments) == ("tool_call", "pay", {"to": "ada", "amount": 3})
    assert (request.code, request.line, request.call_id, request.reason) == (CODE, 4, 2, None)


def test_arguments_that_do_not_fit_are_refused_without_asking_anybody():
    approve = Approver()
    code = "try:\n    pay(amount=1)\nexcept TypeError as error:\n    said = str(error)\nsaid"
    result = ExecuteCodeTool(ASKING, approve=approve).execute_code_sync(code)
    assert result.value == "pay: missing argument 'to'; it takes to, amount"
    assert (approve.asked, paid) == ([], [])


def test_edited_arguments_that_do_not_fit_fail_in_the_code():
    approve = Approver(Approval.edit({"whom": "bob"}))
    result = ExecuteCodeTool(ASKING, approve=approve).execute_code_sync("pay(to='ada', amount=1)")
    assert result.error.type == "TypeError"
    assert result.error.message.startswith("pay: unknown argument 'whom'")
    assert paid == []


@pytest.mark.parametrize(
    ("approve", "reason"),
    [
        (None, "runtime_error:approval_resolver_missing"),
        (lambda _: 1 / 0, "runtime_error:approval_resolver_failed"),
        (lambda _: None, "runtime_error:approval_resolver_failed"),
        (lambda _: "yes", "runtime_error:approval_resolver_failed"),
        (lambda _: Approval.edit({1: 2}), "runtime_error:approval_resolver_failed"),
    ],
)
def test_call_is_denied_where_nobody_answers(approve, reason):
    result = ExecuteCodeTool(ASKING, approve=approve).execute_code_sync(CODE)
    assert result.value == f"PermissionError: {reason}"
    assert result.interventions == (Intervention("pre_tool_call", "deny", "pay", reason),)
    assert paid == []


def test_what_an_approver_changes_in_place_does_not_count():
    def approve(request):
        request.arguments["to"] = "eve"
        return True

    result = ExecuteCodeTool(ASKING, approve=approve).execute_code_sync(CODE)
    assert result.value == "paid 3.0 to ada"


def test_forked_child_runs_blocks_of_its_own():
    tool = ExecuteCodeTool([add])
    assert tool.execute_code_sync("add(a=1)").value == 1
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if tool.execute_code_sync("add(a=2)").value == 2 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert tool.execute_code_sync("add(a=3)").value == 3


def test_each_call_of_a_loop_asks_again():
    approve = Approver(True, False, True)
    code = """
def attempt(n):
    try:
        return pay(to="x", amount=n)
    except ToolError:
        return "refused"
[attempt(n) for n in range(3)]
"""
    result = ExecuteCodeTool(ASKING, approve=approve).execute_code_sync(code)
    assert result.value == ["paid 0.0 to x", "refused", "paid 2.0 to x"]
    assert [(request.call_id, request.line) for request in approve.asked] == [(1, 4), (2, 4), (3, 4)]


def test_calls_beside_each_other_ask_one_after_the_other():
    approve = Approver(True, True)
    code = """
import asyncio
await asyncio.gather(*[call_tool_async("pay", to="x", amount=n) for n in range(2)])
"""
    result = ExecuteCodeTool(ASKING, approve=approve).execute_code_sync(code)
    assert result.value == ["paid 0.0 to x", "paid 1.0 to x"]
    assert [request.line for request in approve.asked] == [3, 3]


def test_no_time_of_the_block_passes_while_an_approval_waits():
    async def approve(request):
        await asyncio.sleep(0.6)
        return True

    tool = ExecuteCodeTool(ASKING, approve=approve, limits=Limits(wall_time_s=0.5))
    result = asyncio.run(tool.execute_code(CODE))
    assert (result.status, result.value) == ("ok", "paid 3.0 to ada")


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_while_an_approval_waits_the_loop_and_other_blocks_go_on(kind):
    async def main():
        asked, go_on = threading.Event(), threading.Event()

        def wait(request):
            asked.set()
            assert go_on.wait(30)
            return True

        async def approve(request):
            return await asyncio.to_thread(wait, request)

        tool = ExecuteCodeTool(ASKING, approve=wait if kind == "sync" else approve)
        waiting = asyncio.create_task(tool.execute_code(CODE))
        await asyncio.to_thread(asked.wait, 30)
        others = await asyncio.gather(*[tool.execute_code(f"add(a={n})") for n in range(3)])
        assert [other.value for other in others] == [0, 1, 2]
        assert not waiting.done()
        go_on.set()
        return await waiting

    assert asyncio.run(main()).value == "paid 3.0 to ada"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_cancelling_while_an_approval_waits_ends_the_block(kind):
    async def main():
        asked, never = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def wait(request):
            loop.call_soon_threadsafe(asked.set)
            never.wait(30)
            return True

        async def approve(request):
            asked.set()
            await asyncio.Event().wait()

        tool = ExecuteCodeTool(ASKING, approve=wait if kind == "sync" else approve)
        task = asyncio.create_task(tool.execute_code(CODE))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        never.set()
        return await tool.execute_code("add(a=1)")

    assert asyncio.run(main()).value == 1
    assert paid == []


def test_approver_sees_the_context_of_the_caller():
    user = contextvars.ContextVar("user")
    seen = []

    def approve(request):
        seen.append(user.get())
        return True

    async def main():
        user.set("ada")
        await ExecuteCodeTool(ASKING, approve=approve).execute_code(CODE)

    asyncio.run(main())
    assert seen == ["ada"]


# Approval of the whole block.


@both_ways
def test_block_that_must_be_approved_is_denied_by_nobody(how):
    tool = ExecuteCodeTool([add], approval_mode="always_require")
    assert tool.approval_mode == "always_require"
    result = run(tool, "add(a=1)", how)
    assert (result.status, result.value) == ("denied", None)
    assert result.render() == "error: PermissionError: runtime_error:approval_resolver_missing"


@both_ways
def test_tool_that_requires_approval_gates_the_whole_block(how):
    approve = Approver(False, True, Approval.edit({"code": "add(a=40)"}))
    tool = ExecuteCodeTool([CodeActTool(add, approval="always_require")], approve=approve)
    assert tool.approval_mode == "always_require"
    assert run(tool, "1", how).status == "denied"
    assert run(tool, "add(a=2)", how).value == 2
    assert run(tool, "add(a=3)", how).value == 40
    assert [(asked.kind, asked.tool, asked.arguments) for asked in approve.asked] == [
        ("block", "execute_code", {"code": code}) for code in ("1", "add(a=2)", "add(a=3)")
    ]
    tool.remove_tool("add")
    assert tool.approval_mode == "never_require"
    assert run(tool, "5", how).value == 5, "and nobody is asked"


@both_ways
def test_framework_that_asked_already_says_so(how):
    approve = Approver(True)
    tool = ExecuteCodeTool(ASKING, approval_mode="always_require", approve=approve)
    assert run(tool, CODE, how, is_approved=True).value == "paid 3.0 to ada"
    assert [asked.kind for asked in approve.asked] == ["tool_call"], "the call asks all the same"


def test_block_cannot_be_suspended_before_it_began():
    tool = ExecuteCodeTool(approval_mode="always_require", approve=lambda _: Approval.suspend())
    assert tool.execute_code_sync("1").error.message == "runtime_error:approval_resolver_failed"


# What is granted, and when.


@both_ways
def test_grants_change_between_blocks(how, tmp_path):
    (tmp_path / "a.txt").write_text("data")
    tool = ExecuteCodeTool()
    assert run(tool, "add(a=1)", how).error.type == "NameError"
    tool.add_tools(add)
    tool.add_file_mounts((tmp_path, "/data"))
    assert run(tool, "add(a=1), open('/data/a.txt').read()", how).value == (1, "data")
    tool.remove_tool("add")
    tool.remove_file_mount("/data")
    assert run(tool, "add(a=1)", how).error.type == "NameError"
    assert run(tool, "open('/data/a.txt')", how).error.type == "FileNotFoundError"


def test_path_that_is_given_alone_is_the_same_in_the_guest_and_read_only(tmp_path):
    (tmp_path / "a.txt").write_text("data")
    tool = ExecuteCodeTool(file_mounts=str(tmp_path))
    assert tool.execute_code_sync(f"open({str(tmp_path / 'a.txt')!r}).read()").value == "data"
    assert tool.execute_code_sync(f"open({str(tmp_path / 'b')!r}, 'w')").error.type == "OSError"


def test_block_keeps_what_it_began_with():
    def another(a: int) -> str:
        return "another"

    async def main():
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def approve(request):
            asked.set()
            await go_on.wait()
            return True

        tool = ExecuteCodeTool(ASKING, approve=approve)
        first = asyncio.create_task(tool.execute_code("pay(to='x', amount=1)\nadd(a=1)"))
        await asked.wait()
        tool.clear_tools()
        tool.add_tools({"add": another})
        second = await tool.execute_code("add(a=1)")
        go_on.set()
        return (
            (await first).value,
            second.value,
            (await tool.execute_code("pay(to='x', amount=1)")).error.type,
        )

    assert asyncio.run(main()) == (1, "another", "NameError")


def test_run_tool_of_a_provider_is_not_changed_by_what_comes_later():
    provider = CodeActProvider([add])
    tool = provider.create_run_tool()
    provider.add_tools(pay)
    provider.remove_tool("add")
    assert tool.execute_code_sync("add(a=1)").value == 1
    assert [tool.name for tool in provider.create_run_tool().get_tools()] == ["pay"]


def test_directory_that_is_not_there_is_the_callers_mistake(tmp_path):
    tool = ExecuteCodeTool(file_mounts=tmp_path / "missing")
    for how in ("sync", "async"):
        with pytest.raises(PolicyError):
            run(tool, "1", how)


def test_domains_are_granted_and_taken_away(http_server):
    tool = ExecuteCodeTool()
    code = f"import urllib.request\nurllib.request.urlopen({http_server.url + '/'!r}).status"
    assert tool.execute_code_sync(code).error is not None
    tool.add_allowed_domains((http_server.url, "GET"))
    assert tool.execute_code_sync(code).value == 200
    tool.clear_allowed_domains()
    assert tool.execute_code_sync(code).error is not None


# Policies.


def test_policy_sees_every_point_in_order():
    seen = []

    def policy(context):
        target = context.target.value if context.point == "output" else context.target
        seen.append((context.point, context.tool, target, dict(context.calls)))
        return Verdict.allow()

    result = ExecuteCodeTool([add], policy=policy).execute_code_sync("add(a=1)\nadd(a=2, b=3)")
    granted = {"tools": ["add"], "mounts": {}, "domains": {}}
    assert result.value == 5
    assert seen == [
        ("agent_startup", None, granted, {}),
        ("input", None, "add(a=1)\nadd(a=2, b=3)", {}),
        ("pre_tool_call", "add", {"a": 1}, {"add": 1}),
        ("post_tool_call", "add", 1, {"add": 1}),
        ("pre_tool_call", "add", {"a": 2, "b": 3}, {"add": 2}),
        ("post_tool_call", "add", 5, {"add": 2}),
        ("output", None, 5, {"add": 2}),
        ("agent_shutdown", None, granted, {"add": 2}),
    ]


def at(point, verdict):
    """A policy that has one thing to say."""
    return lambda context: verdict if context.point == point else Verdict.allow()


@both_ways
@pytest.mark.parametrize(
    ("point", "verdict", "status", "value"),
    [
        ("agent_startup", Verdict.deny("no"), "denied", None),
        ("input", Verdict.deny("no"), "denied", None),
        ("input", Verdict.transform("add(a=7)"), "ok", 7),
        ("pre_tool_call", Verdict.deny("no"), "error", None),
        ("pre_tool_call", Verdict.transform({"a": 5}), "ok", 5),
        ("post_tool_call", Verdict.deny("no"), "error", None),
        ("post_tool_call", Verdict.escalate("no"), "error", None),
        ("post_tool_call", Verdict.transform("****"), "ok", "****"),
        ("output", Verdict.deny("no"), "denied", None),
        ("agent_shutdown", Verdict.deny("no"), "ok", 1),
        ("pre_tool_call", Verdict.warn("look"), "ok", 1),
    ],
)
@pytest.mark.parametrize("on_the_way", [False, True])
def test_policy_decides_at_each_point(how, point, verdict, status, value, on_the_way):
    policy = Policy(at(point, verdict), escalates=() if on_the_way else None)
    result = run(ExecuteCodeTool([add], policy=policy), "add(a=1)", how)
    assert (result.status, result.value) == (status, value)
    assert [(one.point, one.decision) for one in result.interventions] == [(point, verdict.decision)]


@pytest.mark.parametrize("point", ["agent_startup", "input", "pre_tool_call", "output"])
@pytest.mark.parametrize("answer", [True, False])
def test_policy_escalates_to_the_approver(point, answer):
    approve = Approver(answer)
    policy = at(point, Verdict.escalate("look at this"))
    result = ExecuteCodeTool([add], policy=policy, approve=approve).execute_code_sync("add(a=1)")
    assert (result.value == 1) is answer
    (request,) = approve.asked
    assert request.reason == "look at this"


@both_ways
@pytest.mark.parametrize("point", ["agent_startup", "input", "pre_tool_call", "post_tool_call", "output"])
@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (lambda: 1 / 0, "runtime_error:policy_invocation_failed"),
        (lambda: None, "runtime_error:policy_output_invalid"),
        (lambda: True, "runtime_error:policy_output_invalid"),
        (lambda: Verdict("perhaps"), "runtime_error:policy_output_invalid"),
        (lambda: Verdict("transform"), "runtime_error:policy_output_invalid"),
    ],
)
@pytest.mark.parametrize("on_the_way", [False, True])
def test_policy_that_fails_denies(how, point, failure, reason, on_the_way):
    def policy(context):
        return failure() if context.point == point else Verdict.allow()

    tool = ExecuteCodeTool([add], policy=Policy(policy, escalates=() if on_the_way else None))
    result = run(tool, "add(a=1)", how)
    assert result.status in ("denied", "error")
    assert reason in result.error.message
    assert result.interventions == (Intervention(point, "deny", "add" if "tool" in point else None, reason),)


@both_ways
def test_policy_may_be_async(how):
    async def policy(context):
        await asyncio.sleep(0)
        if context.point == "post_tool_call":
            return Verdict.transform(context.target + 100)
        return Verdict.deny("no") if context.arguments.get("a") == 2 else Verdict.allow()

    async def slow_add(a: int) -> int:
        return a

    tool = ExecuteCodeTool({"add": add, "slow_add": slow_add}, policy=policy)
    result = run(tool, "print(add(a=1), slow_add(a=1))\nadd(a=2)", how)
    assert result.stdout == "101 101\n"
    assert result.error.message == "tool 'add' failed: PermissionError: no"


def test_policy_counts_calls():
    policy = Policy(
        lambda context: Verdict.deny("enough") if context.calls["add"] > 2 else Verdict.allow(),
        points=["pre_tool_call"],
        escalates=[],
    )
    result = ExecuteCodeTool([add], policy=policy).execute_code_sync("[add(a=n) for n in range(5)]")
    assert result.error.message == "tool 'add' failed: PermissionError: enough"
    assert result.usage.tool_calls == 3
    again = ExecuteCodeTool([add], policy=policy).execute_code_sync("add(a=1)")
    assert again.value == 1, "each block is counted for itself"


def test_policy_decides_again_about_what_an_approver_edited():
    def policy(context):
        if context.tool == "pay" and context.arguments["amount"] > 10:
            return Verdict.deny("above 10")
        return Verdict.allow()

    approve = Approver(Approval.edit({"to": "ada", "amount": 11}))
    result = ExecuteCodeTool(ASKING, policy=policy, approve=approve).execute_code_sync(CODE)
    assert (result.value, paid) == ("PermissionError: above 10", [])


def test_escalation_that_was_not_announced_denies():
    policy = Policy(at("pre_tool_call", Verdict.escalate()), escalates=["pay"])
    result = ExecuteCodeTool([add], policy=policy, approve=Approver()).execute_code_sync("add(a=1)")
    assert result.error.message.endswith("PermissionError: runtime_error:approval_resolver_missing")


@both_ways
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("verdict", "status", "message"),
    [
        (Verdict.allow(), "ok", None),
        (Verdict.warn("look"), "ok", None),
        (Verdict.deny("not there"), "error", "not there"),
        (Verdict.escalate(), "error", "runtime_error:approval_resolver_missing"),
        (None, "error", "runtime_error:policy_output_invalid"),
        (Verdict.transform("http://elsewhere"), "error", "runtime_error:policy_output_invalid"),
    ],
)
def test_policy_decides_about_requests(how, is_async, verdict, status, message, http_server):
    def decide(context):
        assert (context.target.method, context.target.url) == ("GET", http_server.url + "/")
        return verdict

    async def decide_later(context):
        await asyncio.sleep(0)
        return decide(context)

    policy = Policy(decide_later if is_async else decide, points=["pre_http_request"])
    tool = ExecuteCodeTool(policy=policy, allowed_domains=http_server.url)
    code = f"import urllib.request\nurllib.request.urlopen({http_server.url + '/'!r}).status"
    result = run(tool, code, how)
    assert (result.status, result.value) == (status, 200 if message is None else None)
    if message is not None:
        assert message in result.error.message


def test_policy_changes_a_request(http_server):
    def decide(context):
        return Verdict.transform(dataclasses.replace(context.target, url=http_server.url + "/echo"))

    tool = ExecuteCodeTool(
        policy=Policy(decide, points=["pre_http_request"]), allowed_domains=http_server.url
    )
    code = f"import urllib.request\nurllib.request.urlopen({http_server.url + '/status/404'!r}).url"
    assert tool.execute_code_sync(code).status == "ok"


# Many at once.


def test_tools_of_blocks_that_run_at_once_overlap():
    blocks = 4
    barrier = threading.Barrier(blocks, timeout=60)

    def meet(n: int) -> int:
        barrier.wait()
        return n

    async def main():
        tool = ExecuteCodeTool([meet])
        return await asyncio.gather(*[tool.execute_code(f"meet(n={n})") for n in range(blocks)])

    assert [result.value for result in asyncio.run(main())] == [0, 1, 2, 3]


def test_async_tools_of_blocks_that_run_at_once_overlap_on_the_callers_loop():
    async def main():
        waiting, loop = [], asyncio.get_running_loop()
        all_here = asyncio.Event()

        async def meet(n: int) -> int:
            assert asyncio.get_running_loop() is loop
            waiting.append(n)
            if len(waiting) == 4:
                all_here.set()
            await all_here.wait()
            return n

        tool = ExecuteCodeTool([meet])
        return await asyncio.gather(*[tool.execute_code(f"meet(n={n})") for n in range(4)])

    assert [result.value for result in asyncio.run(main())] == [0, 1, 2, 3]


def test_one_tool_serves_threads_and_several_event_loops():
    tool = ExecuteCodeTool([add])
    values = []

    def work(n):
        values.append(tool.execute_code_sync(f"add(a={n})").value)
        values.append(asyncio.run(tool.execute_code(f"add(a={n + 10})")).value)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(values) == [0, 1, 2, 3, 10, 11, 12, 13]


def test_output_is_heard_as_it_is_written():
    heard = []
    ExecuteCodeTool().execute_code_sync("print('a')\nprint('b')", on_output=heard.append)
    assert "".join(event.text for event in heard) == "a\nb\n"


def test_cancelled_block_leaves_the_tool_usable():
    async def main():
        started = asyncio.Event()

        async def wait() -> None:
            started.set()
            await asyncio.Event().wait()

        tool = ExecuteCodeTool([wait, add])
        task = asyncio.create_task(tool.execute_code("wait()"))
        await started.wait()
        task.cancel()
        with pytest.raises((asyncio.CancelledError, RunCancelledError)):
            await task
        return (await tool.execute_code("add(a=3)")).value

    assert asyncio.run(main()) == 3
