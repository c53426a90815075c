"""Policies: a function of the caller that decides at each interception point of a block.

Points and decisions have the names of the Agent Control Specification 0.4 (sections 4 and 13 of
https://github.com/responsibleai/agent-control-spec/blob/main/spec/SPECIFICATION.md), and as there whatever fails
denies, with a reserved reason. Its points around a model call are none of ours, and `pre_http_request` is ours alone.

Before: `_block`. After: the caller's function, `_rules`.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from .._checks import NOT_GIVEN
from .._errors import PolicyError

logger = logging.getLogger("hypercell.codeact")

InterventionPoint: TypeAlias = Literal[
    "agent_startup",
    "input",
    "pre_tool_call",
    "post_tool_call",
    "pre_http_request",
    "output",
    "agent_shutdown",
]
POINTS: tuple[InterventionPoint, ...] = get_args(InterventionPoint)
DECISIONS = ("allow", "warn", "deny", "escalate", "transform")
POLICY_FAILED = "runtime_error:policy_invocation_failed"
OUTPUT_INVALID = "runtime_error:policy_output_invalid"


@dataclass(frozen=True)
class PolicyContext:
    """What a policy decides about.

    Attributes:
        point: Which interception point: `agent_startup`, before a block; `input`, its code; `pre_tool_call` and
            `post_tool_call`, each call of a tool; `pre_http_request`, each request that a domain allows; `output`,
            what the block ended with; `agent_shutdown`, after it.
        target: The value under evaluation. At `agent_startup` and `agent_shutdown` what the block is granted, a dict
            of `tools`, `mounts` and `domains`; at `input` the code; before a tool call its arguments by name; after
            it what the tool returned; before a request the `hypercell.HttpRequest`; at `output` the `CodeResult`.
        code: The code of the block.
        tool: Name of the tool, around a call.
        arguments: What the tool is called with, around a call.
        calls: How many calls of each tool the block has asked for, this one included.
        line: Line of the code from which the call is made, if it is known. Guest-controlled.
        block_id: Which block, as 16 hexadecimal digits.
    """

    point: InterventionPoint
    target: Any
    code: str
    tool: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    line: int | None = None
    block_id: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a policy decided; made by `allow`, `warn`, `deny`, `escalate` and `transform`.

    Attributes:
        decision: One of the five.
        reason: Why. After `deny` the code, and so the model, sees it.
        value: After `transform`, what takes the place of the target.
    """

    decision: Literal["allow", "warn", "deny", "escalate", "transform"]
    reason: str | None = None
    value: Any = NOT_GIVEN

    @classmethod
    def allow(cls) -> Verdict:
        """Goes on."""
        return _ALLOW

    @classmethod
    def warn(cls, reason: str) -> Verdict:
        """Goes on; the result of the block and the log say why somebody should look."""
        return cls("warn", reason)

    @classmethod
    def deny(cls, reason: str) -> Verdict:
        """Does not go on."""
        return cls("deny", reason)

    @classmethod
    def escalate(cls, reason: str | None = None) -> Verdict:
        """Asks the approver. It denies at `post_tool_call`, `pre_http_request` and `agent_shutdown`: too late."""
        return cls("escalate", reason)

    @classmethod
    def transform(cls, value: Any, reason: str | None = None) -> Verdict:
        """Goes on with another value in place of the whole target. Not at `agent_startup` and `agent_shutdown`."""
        return cls("transform", reason, value)


_ALLOW = Verdict("allow")

#: What decides, sync or async. It must return a verdict for every point it is asked at.
Decide: TypeAlias = "Callable[[PolicyContext], Verdict | Awaitable[Verdict]]"


class Policy:
    """A function that decides, with where it is asked.

    A sync function is called where the block goes on, on the event loop or a thread of the sandbox: it should not wait.
    An async one may; at `pre_http_request` it runs on an event loop of its own.

    Args:
        decide: The function.
        points: Where it is asked; everywhere unless given.
        escalates: Names of the tools for whose calls it may return `escalate`. Those pause the block at each call, one
            at a time, so that somebody may be asked; all others are decided on the way, side by side. Unless given, all
            of them, which an async function needs.

    Raises:
        PolicyError: A point is none, or an async function is to be asked on the way.
    """

    def __init__(
        self,
        decide: Decide,
        *,
        points: Collection[InterventionPoint] = POINTS,
        escalates: Collection[str] | None = None,
    ) -> None:
        if not callable(decide):
            raise PolicyError(f"policy must be callable, got {type(decide).__name__}")
        unknown = [point for point in points if point not in POINTS]
        if unknown or isinstance(points, str):
            raise PolicyError(f"points must be several of {', '.join(POINTS)}, got {points!r}")
        if escalates is not None and (isinstance(escalates, str) or not isinstance(escalates, Collection)):
            raise PolicyError(f"escalates must be names of tools, got {escalates!r}")
        if escalates is not None and "pre_tool_call" in points and is_async(decide):
            raise PolicyError("an async policy decides at pauses alone; leave out escalates")
        self.decide = decide
        self.points = frozenset(points)
        self._escalates = None if escalates is None else frozenset(escalates)

    def pauses(self, tool: str) -> bool:
        """Whether a block pauses at each call of a tool for this policy."""
        return "pre_tool_call" in self.points and (self._escalates is None or tool in self._escalates)

    def __repr__(self) -> str:
        return f"Policy({self.decide!r}, points={sorted(self.points)})"


PolicyInput: TypeAlias = "Policy | Decide"


def policy_of(given: PolicyInput | None) -> Policy | None:
    """Returns what `policy=` takes as a `Policy`.

    Raises:
        PolicyError: It cannot be called.
    """
    return given if given is None or isinstance(given, Policy) else Policy(given)


def is_async(function: object) -> bool:
    """Whether calling this returns what has to be awaited, as far as it can be told before."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object with an async __call__
    )


def checked_verdict(answer: object, context: PolicyContext) -> Verdict:
    """Returns the verdict of a policy; what is none, or none for this point, denies."""
    if isinstance(answer, Verdict) and answer.decision in DECISIONS:
        if answer.decision != "transform":
            return answer
        if answer.value is not NOT_GIVEN and _fits(answer.value, context):
            return answer
    logger.error("the policy returned what is no verdict for %s: %s", context.point, type(answer).__name__)
    return Verdict.deny(OUTPUT_INVALID)


def failed_verdict(error: BaseException, context: PolicyContext) -> Verdict:
    """Returns the denial for a policy that raised."""
    logger.error("the policy failed at %s", context.point, exc_info=error)
    return Verdict.deny(POLICY_FAILED)


def _fits(value: object, context: PolicyContext) -> bool:
    """Whether a value can take the place of the target."""
    if context.point == "input":
        return isinstance(value, str)
    if context.point == "pre_tool_call":
        return isinstance(value, Mapping) and all(isinstance(name, str) for name in value)
    if context.point in ("output", "pre_http_request"):
        return isinstance(value, type(context.target))
    return context.point == "post_tool_call"
