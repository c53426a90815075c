"""The one tool that a model gets: `execute_code`.

Before: the caller, `_provider`. After: `_block` by way of `_drive`, `_grants`, `_instructions`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from .._async import AsyncSandbox
from .._audit import OnAudit
from .._checks import check_on_output, check_options
from .._drive import OnOutput
from .._errors import PolicyError
from .._hooks import check_hooks
from .._image import Image
from .._limits import Limits
from .._pool import Pool
from .._process import ForkSafeLock
from .._sandbox import Sandbox
from ._approval import Approval, Approver, checked_approval
from ._block import TOOL_NAME, Block, Rules, before_http_request, before_tool_call, watched
from ._drive import drive, drive_async
from ._grants import AllowedDomainsInput, FileMountsInput, Grants, Registry
from ._instructions import Form, instructions_of
from ._policy import PolicyInput, policy_of
from ._result import CodeResult
from ._suspended import SuspendedBlock
from ._tools import ToolsInput

ApprovalMode: TypeAlias = Literal["never_require", "always_require"]
_MODES = ("never_require", "always_require")
# Sandboxes that wait for the next block; each has a thread, and its VMs are those of the pool.
_MAX_IDLE = 8
_PARAMETERS = {
    "type": "object",
    "properties": {"code": {"type": "string", "description": "Python source to run in the sandbox."}},
    "required": ["code"],
    "additionalProperties": False,
}

_Box = TypeVar("_Box", Sandbox, AsyncSandbox)
_Self = TypeVar("_Self", bound="CodeAct")


@dataclass(frozen=True)
class _Options:
    """What does not change in the life of a tool."""

    rules: Rules
    image: Image | None
    pool: Pool | None
    on_audit: OnAudit | None

    def for_sandbox(self, grants: Grants) -> dict[str, Any]:
        """Returns what both a new sandbox and one that goes on from a snapshot take."""
        rules = self.rules
        tools = list(grants.tools.values())
        hook = before_tool_call if rules.asks("pre_tool_call", "post_tool_call") else None
        return {
            "tools": [watched(tool) for tool in tools] if rules.asks("post_tool_call") else tools,
            "pause_on": [tool.name for tool in tools if rules.pauses(tool)],
            "domains": list(grants.domains.values()),
            "mounts": list(grants.mounts.values()),
            "before_tool_call": hook,
            "before_http_request": before_http_request if rules.asks("pre_http_request") else None,
            "on_audit": self.on_audit,
        }


class _Idle(Generic[_Box]):
    """Sandboxes of one class that wait for a block with the grants that the last one had."""

    def __init__(self, make: Callable[..., _Box], options: _Options) -> None:
        self._make: Callable[..., _Box] = make
        self._options = options
        self._lock = ForkSafeLock()
        self._grants: Grants | None = None
        self._boxes: list[_Box] = []

    def take(self, grants: Grants) -> _Box:
        """Returns a sandbox with these grants, for one block."""
        with self._lock:
            if self._grants is grants and self._boxes:
                return self._boxes.pop()
        options = self._options
        return self._make(
            **options.for_sandbox(grants),
            limits=options.rules.limits,
            image=options.image,
            pool=options.pool,
        )

    def keep(self, box: _Box, grants: Grants, latest: Grants) -> bool:
        """Keeps a sandbox whose block ended well, if the next block can use it; returns whether it is kept."""
        with self._lock:
            if self._grants is not latest:
                # What is dropped ends by itself.
                self._grants, self._boxes = latest, []
            if grants is not latest or len(self._boxes) >= _MAX_IDLE:
                return False
            self._boxes.append(box)
            return True


class CodeAct(Registry):
    """What `ExecuteCodeTool` and `CodeActProvider` have in common: grants, and the rules for every block.

    Args:
        tools: What the code may call: functions, `Tool` or `CodeActTool` objects, or a mapping of names to them.
        approval_mode: `"never_require"`, or `"always_require"`, which has every block approved before it starts. A tool
            with `approval="always_require"` does that for all blocks while it is there.
        approve: Who approves blocks and calls: a function of an `ApprovalRequest`, sync or async, that returns an
            `Approval` or a bool. A sync one runs on a thread of its own where an event loop runs. Without one, and if
            it fails, what has to be approved is denied.
        policy: A function of a `PolicyContext` that returns a `Verdict`, sync or async, or a `Policy`. If it fails, it
            denies.
        file_mounts: Directories of the host, as `add_file_mounts` takes them; none unless given.
        allowed_domains: What the code may reach by HTTP, as `add_allowed_domains` takes it; nothing unless given.
        limits: Ceilings for each block; `Limits()` unless given.
        image: The interpreter to run; this one, without packages, unless given.
        pool: The pool to take VMs from; that of the image unless given.
        on_audit: As for `hypercell.Sandbox`.

    Raises:
        PolicyError: An option cannot be.
    """

    def __init__(
        self,
        tools: ToolsInput = (),
        *,
        approval_mode: ApprovalMode = "never_require",
        approve: Approver | None = None,
        policy: PolicyInput | None = None,
        file_mounts: FileMountsInput = (),
        allowed_domains: AllowedDomainsInput = (),
        limits: Limits | None = None,
        image: Image | None = None,
        pool: Pool | None = None,
        on_audit: OnAudit | None = None,
    ) -> None:
        check_options(limits, image, False, None, pool)
        check_hooks(on_audit)
        if approval_mode not in _MODES:
            raise PolicyError(
                f"approval_mode must be one of {', '.join(map(repr, _MODES))}, got {approval_mode!r}"
            )
        if approve is not None and not callable(approve):
            raise PolicyError(f"approve must be callable, got {type(approve).__name__}")
        super().__init__(tools, file_mounts, allowed_domains)
        rules = Rules(
            approval_mode == "always_require",
            approve,
            policy_of(policy),
            limits if limits is not None else Limits(),
        )
        self._options = _Options(rules, image, pool, on_audit)
        self._idle = _Idle(Sandbox, self._options)
        self._idle_async = _Idle(AsyncSandbox, self._options)

    @classmethod
    def _like(cls: type[_Self], other: CodeAct) -> _Self:
        """Makes one with the rules of another and what that grants now. Sandboxes that wait are shared."""
        made = cls.__new__(cls)
        made._lock = ForkSafeLock()
        made._grants, made._options = other._grants, other._options
        made._idle, made._idle_async = other._idle, other._idle_async
        return made

    @property
    def limits(self) -> Limits:
        """Ceilings for each block."""
        return self._options.rules.limits

    @property
    def approval_mode(self) -> ApprovalMode:
        """Whether the next block has to be approved before it starts: `"always_require"` if the tools ask for that."""
        is_asked = self._options.rules.always or self._grants.requires_approval
        return "always_require" if is_asked else "never_require"

    def instructions(self, form: Form = "long", *, tools_visible_to_model: bool = False) -> str:
        """Returns what a model has to know to use `execute_code` as it is now.

        Args:
            form: `"long"`, with what each tool and parameter means, or `"short"`: signatures and first sentences.
            tools_visible_to_model: Whether the model can call the tools also directly.

        Raises:
            PolicyError: There is no such form.
        """
        return instructions_of(self._grants, self.limits, form, tools_visible_to_model=tools_visible_to_model)


class ExecuteCodeTool(CodeAct):
    """`execute_code(code)`: runs Python that a model wrote, each block in a fresh micro-VM.

        tool = ExecuteCodeTool(tools=[list_orders], file_mounts="/data", allowed_domains=[("api.github.com", "GET")])
        tool.name, tool.description, tool.parameters     # for the model
        result = await tool.execute_code("len(list_orders(customer='ada'))")
        result.render()                                  # back to the model

    Any number of blocks run at once, on any thread or event loop. Tools, mounts and domains can be added and removed
    meanwhile: a block keeps what it began with. Directories are opened by the first block after such a change.

    Args, Raises: As for `CodeAct`.
    """

    @property
    def name(self) -> str:
        """Name of the tool for a model."""
        return TOOL_NAME

    @property
    def description(self) -> str:
        """What a model has to know to use it, in full."""
        return self.instructions("long")

    @property
    def parameters(self) -> dict[str, Any]:
        """JSON schema of the arguments: one text, `code`."""
        return {**_PARAMETERS, "properties": {"code": dict(_PARAMETERS["properties"]["code"])}}  # type: ignore[index]

    async def execute_code(
        self, code: str, *, is_approved: bool = False, on_output: OnOutput | None = None
    ) -> CodeResult:
        """Runs a block of code.

        Cancelling the task stops the block, also while it waits for an approval.

        Args:
            code: Python source.
            is_approved: Whether the block was approved already, by a framework that asks before it calls. Calls of
                tools that ask, and what a policy escalates, are asked about all the same.
            on_output: Called with an `OutputEvent` for what the code writes, as it is written.

        Returns:
            What it ended with. What the code did wrong, limits that it passed and denials are there too.

        Raises:
            CancelledError: The task was cancelled; the guest is stopped by then.
            PolicyError: A directory cannot be opened, or a domain cannot be.
            RunCancelledError, SandboxUnavailableError, ImageError: As for `Sandbox.run`.
        """
        check_on_output(on_output)
        grants = self._grants
        block = Block(self._options.rules, grants, code, on_output)
        box = self._idle_async.take(grants)
        is_kept = False
        try:
            result = await drive_async(block, block.steps(is_approved=is_approved), box)
            is_kept = result.suspended is None and self._idle_async.keep(box, grants, self._grants)
            return result
        finally:
            if not is_kept:
                await box.aclose()

    def execute_code_sync(
        self, code: str, *, is_approved: bool = False, on_output: OnOutput | None = None
    ) -> CodeResult:
        """Runs a block of code and waits for it, as `execute_code` does for asyncio.

        An async approver or policy runs on an event loop of its own, which this thread must not have already.

        Args:
            code: Python source.
            is_approved: As for `execute_code`.
            on_output: As for `execute_code`, called on a thread of the sandbox.

        Raises:
            PolicyError, RunCancelledError, SandboxUnavailableError, ImageError: As for `execute_code`.
        """
        check_on_output(on_output)
        grants = self._grants
        block = Block(self._options.rules, grants, code, on_output)
        box = self._idle.take(grants)
        is_kept = False
        try:
            result = drive(block, block.steps(is_approved=is_approved), box)
            is_kept = result.suspended is None and self._idle.keep(box, grants, self._grants)
            return result
        finally:
            if not is_kept:
                box.close()

    async def resume(
        self, suspended: SuspendedBlock, approval: Approval | bool, *, on_output: OnOutput | None = None
    ) -> CodeResult:
        """Goes on with a block that was suspended, here or in another process.

        The policy decides about the call once more. Tools that came since are not there for it; its domains and the
        places of its mounts must be as they were.

        Args:
            suspended: The block.
            approval: The answer that it waits for.
            on_output: As for `execute_code`.

        Raises:
            PolicyError: What is granted now differs from what the block began with; the message says where.
            CancelledError, RunCancelledError, SandboxUnavailableError: As for `execute_code`.
        """
        block, answer, options = self._resumed(suspended, approval, on_output)
        box = AsyncSandbox.from_snapshot(suspended.snapshot, **options)
        try:
            return await drive_async(block, block.rest(suspended.request, answer), box)
        finally:
            await box.aclose()

    def resume_sync(
        self, suspended: SuspendedBlock, approval: Approval | bool, *, on_output: OnOutput | None = None
    ) -> CodeResult:
        """Goes on with a block that was suspended, and waits for it.

        Args:
            suspended: As for `resume`.
            approval: As for `resume`.
            on_output: As for `execute_code_sync`.

        Raises:
            PolicyError, RunCancelledError, SandboxUnavailableError: As for `resume`.
        """
        block, answer, options = self._resumed(suspended, approval, on_output)
        with Sandbox.from_snapshot(suspended.snapshot, **options) as box:
            return drive(block, block.rest(suspended.request, answer), box)

    def _resumed(
        self, suspended: SuspendedBlock, approval: Approval | bool, on_output: OnOutput | None
    ) -> tuple[Block, Approval, dict[str, Any]]:
        if not isinstance(suspended, SuspendedBlock):
            raise PolicyError(f"suspended must be a SuspendedBlock, got {type(suspended).__name__}")
        check_on_output(on_output)
        request, now = suspended.request, self._grants
        answer = checked_approval(approval, request)
        tools = {name: tool for name, tool in now.tools.items() if name in suspended.snapshot.tools}
        grants = Grants(tools, now.mounts, now.domains)
        block = Block(
            self._options.rules,
            grants,
            request.code,
            on_output,
            request.block_id,
            dict(suspended.calls),
            list(suspended.interventions),
        )
        if answer.decision == "suspend":
            raise PolicyError("the block is suspended already; answer allow, deny or edit")
        return block, answer, self._options.for_sandbox(grants)
