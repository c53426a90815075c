"""One block of code, from its approval to its result, as a generator of what has to be done next.

The generator knows nothing of threads and event loops: it yields an `Ask` or a `Use`, and `_drive` does that, waiting
or awaiting. Guarantees: no tool that asks is called unless the policy and the approver let this very call go on; what
fails on the way denies. Never: starts a thread, waits, or touches a sandbox itself.

Before: `_execute`. After: `_policy`, `_approval`, `_result`.
"""

from __future__ import annotations

import contextvars
import copy
import inspect
import secrets
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

from .._checks import checked_inputs
from .._errors import (
    DeniedError,
    GuestCrashError,
    LimitError,
    PolicyError,
    ProtocolError,
)
from .._hooks import HttpRequest, ToolRequest
from .._limits import Limits
from .._result import GuestError, PendingCall, RunResult, Usage
from .._tools import ArgumentError
from ._approval import (
    RESOLVER_FAILED,
    RESOLVER_MISSING,
    Approval,
    ApprovalRequest,
    Approver,
    checked_approval,
)
from ._grants import Grants
from ._policy import (
    InterventionPoint,
    Policy,
    PolicyContext,
    Verdict,
    checked_verdict,
    failed_verdict,
    logger,
)
from ._result import CodeResult, Intervention
from ._suspended import SuspendedBlock
from ._tools import CodeActTool

TOOL_NAME = "execute_code"
_FILENAME = "<code>"


class Ask(NamedTuple):
    """Call a function of the caller, and await what it returns if that has to be."""

    function: Callable[[Any], Any]
    argument: Any
    # Whether it may take its time: then it has a thread of its own where an event loop runs.
    may_wait: bool = False


class Use(NamedTuple):
    """Call a method of the sandbox."""

    method: str
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = {}


Steps: TypeAlias = Generator["Ask | Use", Any, Any]


class _SuspendedError(Exception):
    """The approver decides later."""


@dataclass(frozen=True)
class Rules:
    """What holds for every block of a tool: who approves what."""

    always: bool
    approve: Approver | None
    policy: Policy | None
    limits: Limits

    def pauses(self, tool: CodeActTool) -> bool:
        """Whether a block pauses at each call of a tool."""
        return tool.approval == "ask" or (self.policy is not None and self.policy.pauses(tool.name))

    def asks(self, *points: InterventionPoint) -> bool:
        """Whether the policy is asked at one of these points."""
        return self.policy is not None and not self.policy.points.isdisjoint(points)


@dataclass
class Block:
    """One block that runs."""

    rules: Rules
    grants: Grants
    code: str
    on_output: Any = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    calls: dict[str, int] = field(default_factory=dict)
    interventions: list[Intervention] = field(default_factory=list)

    def steps(self, *, is_approved: bool) -> Steps:
        """Runs the block; returns a `CodeResult`."""
        result = yield from self._refused(is_approved)
        if result is None:
            result = yield from self._going(
                Use("run", (self.code,), {"filename": _FILENAME, **self._output()})
            )
        return (yield from self._left(result))

    def rest(self, request: ApprovalRequest, approval: Approval) -> Steps:
        """Goes on with a block that was suspended; returns a `CodeResult`."""
        result = yield from self._going(self._reply(request, request.arguments, approval, is_late=True))
        return (yield from self._left(result))

    # Before and after the code runs.

    def _refused(self, is_approved: bool) -> Steps:
        """Asks whether the block may run; returns the result of one that may not."""
        verdict = yield from self._verdict("agent_startup", self._granted())
        escalation = verdict if verdict.decision == "escalate" else None
        if verdict.decision in ("deny", "transform"):
            return _denied(verdict.reason)
        verdict = yield from self._verdict("input", self.code)
        if verdict.decision == "deny":
            return _denied(verdict.reason)
        if verdict.decision == "transform":
            self.code = verdict.value
        if verdict.decision == "escalate":
            escalation = verdict
        is_asked = self.rules.always or self.grants.requires_approval
        if escalation is not None or (is_asked and not is_approved):
            request = ApprovalRequest(
                "block",
                TOOL_NAME,
                {"code": self.code},
                self.code,
                block_id=self.id,
                reason=escalation.reason if escalation is not None else None,
            )
            approval = yield from self._approval(request)
            if approval.decision == "deny":
                return _denied(approval.reason)
            if approval.decision == "edit":
                self.code = approval.arguments["code"]
        try:
            checked_inputs(self.rules.limits, self.code, None, _FILENAME)
        except PolicyError as error:
            return CodeResult("error", error=_error_of(error))
        return None

    def _left(self, result: CodeResult) -> Steps:
        """Asks whether the result may be given away; returns what is."""
        if result.status != "suspended":
            verdict = yield from self._verdict("output", result)
            if verdict.decision == "escalate":
                request = ApprovalRequest(
                    "output", TOOL_NAME, {}, self.code, block_id=self.id, reason=verdict.reason
                )
                approval = yield from self._approval(request)
                if approval.decision == "deny":
                    verdict = Verdict.deny(approval.reason or "")
            if verdict.decision == "transform":
                result = verdict.value
            if verdict.decision == "deny":
                result = replace(_denied(verdict.reason), usage=result.usage)
            yield from self._verdict("agent_shutdown", self._granted())
        return replace(result, interventions=tuple(self.interventions))

    def _granted(self) -> dict[str, Any]:
        return {
            "tools": list(self.grants.tools),
            "mounts": {place: mount.mode for place, mount in self.grants.mounts.items()},
            "domains": {
                pattern: None if domain.methods is None else list(domain.methods)
                for pattern, domain in self.grants.domains.items()
            },
        }

    # While the code runs.

    def _going(self, step: Use | Steps) -> Steps:
        """Takes the block to its end, from pause to pause, or until it is suspended."""
        try:
            use = step if isinstance(step, Use) else (yield from step)
            result: RunResult = yield use
            while result.pending is not None:
                use = yield from self._decided(result.pending, result.usage.tool_calls)
                result = yield use
        except _SuspendedError as error:
            snapshot = yield Use("snapshot")
            suspended = SuspendedBlock(error.args[0], snapshot, dict(self.calls), tuple(self.interventions))
            return _result_of(result, "suspended", suspended=suspended)
        except (LimitError, GuestCrashError, ProtocolError) as error:
            partial = getattr(error, "result", None) or RunResult()
            return _result_of(partial, "error", error=_error_of(error))
        return _result_of(result, "ok" if result.error is None else "error")

    def _decided(self, pending: PendingCall, number: int) -> Steps:
        """Decides about the call at which the block is paused; returns how the sandbox goes on."""
        tool = self.grants.tools[pending.tool]
        self._count(tool.name)
        try:
            tool.bind(pending.arguments)
        except ArgumentError:
            # What does not fit is refused by the sandbox; nobody need look at it.
            return self._resume(arguments=pending.arguments)
        arguments: Mapping[str, Any] = pending.arguments
        verdict = yield from self._call_verdict(tool.name, arguments, pending.line)
        if verdict.decision == "deny":
            return self._resume(error=PermissionError(verdict.reason or ""))
        if verdict.decision == "transform":
            arguments = verdict.value
        if verdict.decision != "escalate" and tool.approval != "ask":
            return self._resume(arguments=arguments)
        request = ApprovalRequest(
            "tool_call",
            tool.name,
            copy.deepcopy(dict(arguments)),
            self.code,
            pending.line,
            number,
            self.id,
            verdict.reason,
        )
        approval = yield from self._approval(request)
        # What the approver was shown is a copy: changes count only by `edit`.
        return (yield from self._reply(request, arguments, approval))

    def _reply(
        self,
        request: ApprovalRequest,
        arguments: Mapping[str, Any],
        approval: Approval,
        *,
        is_late: bool = False,
    ) -> Steps:
        """Returns how the sandbox goes on after an answer. The policy decides again if it is edited or late."""
        if approval.decision == "suspend":
            raise _SuspendedError(request)
        if approval.decision == "deny":
            return self._resume(error=PermissionError(approval.reason or ""))
        is_edited = approval.decision == "edit"
        if is_edited:
            arguments = approval.arguments
        if is_edited or is_late:
            verdict = yield from self._call_verdict(request.tool, arguments, request.line)
            if verdict.decision == "deny":
                return self._resume(error=PermissionError(verdict.reason or ""))
            if verdict.decision == "transform":
                arguments = verdict.value
        return self._resume(arguments=arguments)

    def _resume(self, **answer: Any) -> Use:
        return Use("resume", (), {**answer, **self._output()})

    def _output(self) -> dict[str, Any]:
        return {} if self.on_output is None else {"on_output": self.on_output}

    # What the policy and the approver are asked.

    def _approval(self, request: ApprovalRequest) -> Steps:
        """Asks the approver."""
        if self.rules.approve is None:
            approval = Approval.deny(RESOLVER_MISSING)
        else:
            try:
                answer = yield Ask(self.rules.approve, request, may_wait=True)
                approval = checked_approval(answer, request)
            except Exception as error:
                logger.error("the approver failed at %s", request.tool, exc_info=error)
                approval = Approval.deny(RESOLVER_FAILED)
        point = {"tool_call": "pre_tool_call", "block": "input", "output": "output"}[request.kind]
        tool = request.tool if request.kind == "tool_call" else None
        if approval.decision in ("deny", "edit"):
            self.interventions.append(Intervention(point, approval.decision, tool, approval.reason))
        return approval

    def _verdict(self, point: InterventionPoint, target: Any) -> Steps:
        """Asks the policy about the block."""
        if not self.rules.asks(point):
            return Verdict.allow()
        return (yield from self._asked(self._context(point, target)))

    def _call_verdict(self, tool: str, arguments: Mapping[str, Any], line: int | None) -> Steps:
        """Asks the policy about a call."""
        if not self.rules.asks("pre_tool_call"):
            return Verdict.allow()
        given = copy.deepcopy(dict(arguments))
        return (yield from self._asked(self._context("pre_tool_call", given, tool, given, line)))

    def _asked(self, context: PolicyContext) -> Steps:
        assert self.rules.policy is not None  # noqa: S101 - `asks` was true
        try:
            answer = yield Ask(self.rules.policy.decide, context)
        except Exception as error:
            verdict = failed_verdict(error, context)
        else:
            verdict = checked_verdict(answer, context)
        self._note(context, verdict)
        return verdict

    def _context(
        self,
        point: InterventionPoint,
        target: Any,
        tool: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        line: int | None = None,
    ) -> PolicyContext:
        return PolicyContext(point, target, self.code, tool, arguments or {}, dict(self.calls), line, self.id)

    def _note(self, context: PolicyContext, verdict: Verdict) -> None:
        if verdict.decision == "allow":
            return
        if verdict.decision == "warn":
            logger.warning("policy at %s of %s: %s", context.point, context.tool, verdict.reason)
        self.interventions.append(Intervention(context.point, verdict.decision, context.tool, verdict.reason))

    def _count(self, tool: str) -> None:
        self.calls[tool] = self.calls.get(tool, 0) + 1

    # Called from the sandbox, on its threads.

    def before_tool_call(self, request: ToolRequest) -> Mapping[str, Any] | None:
        """Decides about a call at which the block does not pause."""
        if self.rules.pauses(self.grants.tools[request.tool]):
            return None
        self._count(request.tool)
        if not self.rules.asks("pre_tool_call"):
            return None
        context = self._context(
            "pre_tool_call", request.arguments, request.tool, request.arguments, request.line
        )
        changed: Mapping[str, Any] | None = self._changed_now(context)
        return changed

    def before_http_request(self, request: HttpRequest) -> HttpRequest | None:
        """Decides about a request that a domain allows."""
        changed: HttpRequest | None = self._changed_now(self._context("pre_http_request", request))
        return changed

    def after_tool_call(self, tool: str, arguments: dict[str, Any], returned: Any) -> Any:
        """Decides about what a tool returned; returns what the code gets, or what has to be awaited for it."""
        context = self._context("post_tool_call", returned, tool, arguments)
        policy = self.rules.policy
        assert policy is not None  # noqa: S101 - tools are wrapped for one
        try:
            answer = policy.decide(context)
        except Exception as error:
            return self._after(context, failed_verdict(error, context))
        if inspect.isawaitable(answer):
            return self._awaited_after(context, answer)
        return self._after(context, checked_verdict(answer, context))

    async def _awaited_after(self, context: PolicyContext, answer: Any) -> Any:
        try:
            verdict = checked_verdict(await answer, context)
        except Exception as error:
            verdict = failed_verdict(error, context)
        return self._after(context, verdict)

    def _after(self, context: PolicyContext, verdict: Verdict) -> Any:
        self._note(context, verdict)
        if verdict.decision in ("deny", "escalate"):
            raise DeniedError(verdict.reason or "")
        return verdict.value if verdict.decision == "transform" else context.target

    def _changed_now(self, context: PolicyContext) -> Any:
        """Returns what the policy puts in place of the target, or None; here nobody can be asked.

        Raises:
            DeniedError: The policy denies, or would ask.
        """
        verdict = self._verdict_now(context)
        if verdict.decision == "escalate":
            raise DeniedError(RESOLVER_MISSING)
        if verdict.decision == "deny":
            raise DeniedError(verdict.reason or "")
        return verdict.value if verdict.decision == "transform" else None

    def _verdict_now(self, context: PolicyContext) -> Verdict:
        assert self.rules.policy is not None  # noqa: S101 - `asks` was true
        try:
            answer = self.rules.policy.decide(context)
            if inspect.isawaitable(answer):
                answer = run_alone(answer)
            verdict = checked_verdict(answer, context)
        except Exception as error:
            verdict = failed_verdict(error, context)
        self._note(context, verdict)
        return verdict


#: The block whose sandbox runs in this context; tools and hooks of a sandbox see the context of whoever started it.
current: contextvars.ContextVar[Block] = contextvars.ContextVar("hypercell_block")


def before_tool_call(request: ToolRequest) -> Mapping[str, Any] | None:
    """The hook of every sandbox that runs a block."""
    return current.get().before_tool_call(request)


def before_http_request(request: HttpRequest) -> HttpRequest | None:
    """The hook of every sandbox whose policy decides about requests."""
    return current.get().before_http_request(request)


def run_alone(answer: Awaitable[Any]) -> Any:
    """Awaits something on an event loop of its own, on a thread that has none."""
    import asyncio

    async def awaited() -> Any:
        return await answer

    return asyncio.run(awaited())


def watched(tool: CodeActTool) -> CodeActTool:
    """Returns a tool whose results the policy of the block decides about."""
    function, name = tool.function, tool.name

    def call(**arguments: Any) -> Any:
        returned = function(**arguments)
        if inspect.isawaitable(returned):
            return _finish(name, arguments, returned)
        return current.get().after_tool_call(name, arguments, returned)

    return tool.calling(call)


async def _finish(name: str, arguments: dict[str, Any], returned: Any) -> Any:
    decided = current.get().after_tool_call(name, arguments, await returned)
    return await decided if inspect.isawaitable(decided) else decided


def _denied(reason: str | None) -> CodeResult:
    return CodeResult("denied", error=GuestError("PermissionError", reason or "denied", ""))


def _error_of(error: Exception) -> GuestError:
    return GuestError(type(error).__name__, str(error), "")


def _result_of(result: RunResult, status: Any, **changes: Any) -> CodeResult:
    parts = {
        "value": result.value,
        "stdout": result.stdout,
        "stderr": result.stderr,
        "error": result.error,
        "files": tuple(result.files.values()),
        "usage": result.usage or Usage(),
    }
    return CodeResult(status, **{**parts, **changes})
