"""pydantic-ai: a toolset that gives an agent `execute_code` in place of the tools of another toolset.

    agent = Agent(model, toolsets=[CodeActToolset(FunctionToolset([list_orders]))])

Needs `pip install hypercell[pydantic-ai]`, Python 3.11 or later. docs/integrations/pydantic-ai.md is the guide.

Before: pydantic-ai. After: `hypercell.codeact`.
"""

from __future__ import annotations

import contextvars
import itertools
from dataclasses import dataclass, field
from typing import Any

try:
    from pydantic_ai import ApprovalRequired, BinaryContent, CallDeferred, ToolDenied, ToolReturn
    from pydantic_ai.messages import ToolCallPart
    from pydantic_ai.tool_manager import ToolManager
    from pydantic_ai.tools import RunContext, ToolDefinition
    from pydantic_ai.toolsets import ToolsetTool, WrapperToolset
    from pydantic_core import SchemaValidator, core_schema
except ImportError as error:
    raise ImportError(
        f"hypercell.integrations.pydantic_ai needs {error.name}: pip install hypercell[pydantic-ai]"
    ) from error

from hypercell.codeact import CodeActTool, CodeResult, ExecuteCodeTool

from ..codeact._result import DEFAULT_RENDER_CHARS
from ._signals import SignalError

__all__ = ["CodeActToolset"]

_CODE = SchemaValidator(
    core_schema.typed_dict_schema({"code": core_schema.typed_dict_field(core_schema.str_schema())})
)


class _Block:
    """A block that runs: calls from inside it go through the framework's own manager of tools."""

    def __init__(self, toolset: Any, ctx: RunContext[Any], tools: dict[str, Any]) -> None:
        manager = ctx.tool_manager
        self._manager = ToolManager(
            toolset=toolset,
            root_capability=None if manager is None else manager.root_capability,
            ctx=ctx,
            tools=tools,
        )
        self._call_id, self._numbers = ctx.tool_call_id or "", itertools.count(1)
        self._is_approved = ctx.tool_call_approved

    async def call(self, name: str, arguments: dict[str, Any], *, is_approved: bool) -> Any:
        """Calls a tool: validation, hooks, spans and usage limits are those of any call of the agent."""
        part = ToolCallPart(name, arguments, tool_call_id=f"{self._call_id}/{next(self._numbers)}")
        try:
            result = await self._manager.handle_call(
                part, approved=is_approved or self._is_approved, wrap_validation_errors=False
            )
        except (ApprovalRequired, CallDeferred) as signal:
            raise SignalError(signal) from None
        if isinstance(result, ToolDenied):
            raise PermissionError(result.message)
        return result.return_value if isinstance(result, ToolReturn) else result


#: The block that runs in this context.
_block: contextvars.ContextVar[_Block] = contextvars.ContextVar("hypercell_pydantic_ai_block")


@dataclass(kw_only=True)
class _ExecuteCode(ToolsetTool):
    """`execute_code` as a step of a run has it.

    Attributes:
        inner: The tool of hypercell, with the tools of the step.
        tools: Those tools, as the framework has them.
    """

    inner: ExecuteCodeTool
    tools: dict[str, Any]


@dataclass
class CodeActToolset(WrapperToolset):
    """Offers `execute_code`, whose code calls the tools of `wrapped`. External tools stay beside it.

    The model gets text, and images that the code left in `/output`; the metadata of the result is the
    `hypercell.codeact.CodeResult`. A tool that requires approval has every block deferred for approval, unless there is
    an approver: then it pauses the block at each of its calls. What a tool raises to be deferred leaves the block.

    Args:
        wrapped: The toolset.
        approve: Who approves calls inside a block, as for `hypercell.codeact.ExecuteCodeTool`.
        max_result_chars: Longest text that the model gets back, in characters; what is cut is named.
        options: `approval_mode`, `policy`, `file_mounts`, `allowed_domains`, `limits`, `image`, `pool` and `on_audit`,
            as for `hypercell.codeact.ExecuteCodeTool`.

    Raises:
        PolicyError: An option cannot be.
    """

    approve: Any = field(default=None, kw_only=True)
    max_result_chars: int = field(default=DEFAULT_RENDER_CHARS, kw_only=True)
    options: dict[str, Any] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        self._tool_with({})

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, Any]:
        """Returns `execute_code` with the tools that `wrapped` has in this step, and its external tools."""
        wrapped = await super().get_tools(ctx)
        inside = {
            name: tool for name, tool in wrapped.items() if tool.tool_def.kind in ("function", "unapproved")
        }
        inner = self._tool_with(inside)
        offered = {name: tool for name, tool in wrapped.items() if name not in inside}
        offered[inner.name] = _ExecuteCode(
            toolset=self,
            tool_def=ToolDefinition(
                name=inner.name,
                description=inner.description,
                parameters_json_schema=inner.parameters,
                kind="unapproved" if inner.approval_mode == "always_require" else "function",
            ),
            max_retries=1,
            args_validator=_CODE,
            inner=inner,
            tools=inside,
        )
        return offered

    async def call_tool(self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: Any) -> Any:
        """Runs a block of code, or an external tool of `wrapped`."""
        if not isinstance(tool, _ExecuteCode):
            return await super().call_tool(name, tool_args, ctx, tool)
        token = _block.set(_Block(self.wrapped, ctx, tool.tools))
        try:
            result = await tool.inner.execute_code(tool_args["code"], is_approved=True)
        except SignalError as carrier:
            raise carrier.signal from None
        finally:
            _block.reset(token)
        return ToolReturn(
            return_value=result.render(self.max_result_chars),
            content=_images(result) or None,
            metadata=result,
        )

    def _tool_with(self, tools: dict[str, Any]) -> ExecuteCodeTool:
        return ExecuteCodeTool(
            [_codeact_tool(tool.tool_def, self.approve is not None) for tool in tools.values()],
            approve=self.approve,
            **self.options,
        )


def _codeact_tool(definition: ToolDefinition, asks_inside: bool) -> CodeActTool:
    name, needs_approval = definition.name, definition.kind == "unapproved"

    async def call(**arguments: Any) -> Any:
        # Whoever was asked inside the block has approved this very call.
        return await _block.get().call(name, arguments, is_approved=needs_approval and asks_inside)

    approval = "never_require"
    if needs_approval:
        approval = "ask" if asks_inside else "always_require"
    return CodeActTool(
        call,
        name=name,
        description=definition.description or "",
        schema=definition.parameters_json_schema,
        returns=definition.return_schema,
        approval=approval,  # type: ignore[arg-type]
    )


def _images(result: CodeResult) -> list[BinaryContent]:
    return [
        BinaryContent(data=file.data, media_type=file.media_type)
        for file in result.files
        if file.media_type.startswith("image/") and file.data is not None
    ]
