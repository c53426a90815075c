"""Approvals: what somebody is asked before a block or a call goes on, and what they may answer.

Before: `_block`. After: the caller's function.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from .._errors import PolicyError

#: Reasons of denials that no person and no policy gave, as the Agent Control Specification reserves them.
RESOLVER_MISSING = "runtime_error:approval_resolver_missing"
RESOLVER_FAILED = "runtime_error:approval_resolver_failed"


@dataclass(frozen=True)
class ApprovalRequest:
    """What somebody is asked to approve. `arguments` and `code` come from a model: show them quoted.

    Attributes:
        kind: `"block"`, before anything runs; `"tool_call"`, while the block is paused at the call; or `"output"`,
            before the result of the block is given away.
        tool: Name of the tool; `"execute_code"` for a block and for output.
        arguments: What the tool would be called with, by name; of a block its `code`; of output none.
        code: The code of the block.
        line: Line of the code, from 1, from which the call was made; None if unknown. Guest-controlled.
        call_id: Which call of the block, from 1; 0 for a block and for output.
        block_id: Which block, as 16 hexadecimal digits.
        reason: Why a policy asks; None where the tool itself or the approval mode asks.
    """

    kind: Literal["block", "tool_call", "output"]
    tool: str
    arguments: Mapping[str, Any]
    code: str
    line: int | None = None
    call_id: int = 0
    block_id: str = ""
    reason: str | None = None


@dataclass(frozen=True)
class Approval:
    """An answer to an `ApprovalRequest`; made by `allow`, `deny`, `edit` and `suspend`.

    Attributes:
        decision: What was decided.
        reason: Why it was denied. The code, and so the model, sees it.
        arguments: What to call the tool with instead.
    """

    decision: Literal["allow", "deny", "edit", "suspend"]
    reason: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def allow(cls) -> Approval:
        """Goes on."""
        return cls("allow")

    @classmethod
    def deny(cls, reason: str = "not approved") -> Approval:
        """Does not make the call: the code gets a ToolError with this reason. A block or output is refused with it."""
        return cls("deny", reason)

    @classmethod
    def edit(cls, arguments: Mapping[str, Any]) -> Approval:
        """Goes on with these arguments in place of all that were asked about; of a block, with another `code`."""
        return cls("edit", arguments=copy.deepcopy(dict(arguments)))

    @classmethod
    def suspend(cls) -> Approval:
        """Decides later, perhaps in another process: the block ends with `CodeResult.suspended` set."""
        return cls("suspend")


#: Who decides: called with an `ApprovalRequest`, sync or async. True allows, False denies.
Approver: TypeAlias = "Callable[[ApprovalRequest], Approval | bool | Awaitable[Approval | bool]]"


def checked_approval(answer: object, request: ApprovalRequest) -> Approval:
    """Returns what an approver answered.

    Raises:
        PolicyError: It is no answer to this request.
    """
    if isinstance(answer, bool):
        return Approval.allow() if answer else Approval.deny()
    if not isinstance(answer, Approval):
        raise PolicyError(f"an approver must return an Approval or bool, got {type(answer).__name__}")
    if answer.decision == "edit":
        names = set(answer.arguments)
        if not all(isinstance(name, str) for name in names):
            raise PolicyError(f"arguments are edited by name, got {sorted(map(repr, names))}")
        if request.kind == "output" or (request.kind == "block" and names != {"code"}):
            raise PolicyError(f"an approval of kind {request.kind!r} cannot edit {sorted(names)}")
    if answer.decision == "suspend" and request.kind != "tool_call":
        raise PolicyError(f"an approval of kind {request.kind!r} cannot be suspended: nothing is paused")
    return answer
