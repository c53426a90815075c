"""OpenAI Agents SDK: `execute_code` as a function tool.

    agent = Agent(name="analyst", tools=[execute_code_tool(tools=[list_orders])])

Needs `pip install hypercell[openai-agents]`. docs/integrations/openai-agents.md is the guide.

Before: the SDK. After: `hypercell.codeact`.
"""

from __future__ import annotations

import base64
import contextvars
import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any

try:
    from agents import FunctionTool, ToolOutputImage, ToolOutputText, function_span, function_tool
    from agents.tool import invoke_function_tool
    from agents.tool_context import ToolContext
except ImportError as error:
    raise ImportError(
        f"hypercell.integrations.openai_agents needs {error.name}: pip install hypercell[openai-agents]"
    ) from error

from hypercell import PolicyError
from hypercell.codeact import CodeActTool, CodeResult, ExecuteCodeTool

from ..codeact._result import DEFAULT_RENDER_CHARS

__all__ = ["execute_code_tool"]

#: The call of `execute_code` that runs in this context, and the numbers of calls inside it.
_outer: contextvars.ContextVar[tuple[ToolContext[Any], itertools.count[int]]] = contextvars.ContextVar(
    "hypercell_openai_agents_call"
)


def execute_code_tool(
    tools: Iterable[FunctionTool | Callable[..., Any]] = (),
    *,
    approve: Any = None,
    max_result_chars: int = DEFAULT_RENDER_CHARS,
    **options: Any,
) -> FunctionTool:
    """Makes the tool `execute_code`.

    The model gets text, and images that the code left in `/output`. Calls from inside a block are function spans below
    that of `execute_code`, and get the context of the run.

    Args:
        tools: What the code may call: function tools, or functions. One with `needs_approval=True` has every block
            approved before it starts, by the SDK; with `approve` it pauses the block at each of its calls instead.
        approve: Who approves calls inside a block, as for `hypercell.codeact.ExecuteCodeTool`.
        max_result_chars: Longest text that the model gets back, in characters; what is cut is named.
        options: `approval_mode`, `policy`, `file_mounts`, `allowed_domains`, `limits`, `image`, `pool` and `on_audit`,
            as for `hypercell.codeact.ExecuteCodeTool`.

    Raises:
        PolicyError: An option cannot be, or a tool has guardrails or conditions that a call from code would pass by.
    """
    inner = ExecuteCodeTool(
        [_codeact_tool(tool, approve is not None) for tool in tools], approve=approve, **options
    )

    async def invoke(context: ToolContext[Any], arguments: str) -> Any:
        token = _outer.set((context, itertools.count(1)))
        try:
            result = await inner.execute_code(json.loads(arguments)["code"], is_approved=True)
        finally:
            _outer.reset(token)
        return _output(result, max_result_chars)

    return FunctionTool(
        name=inner.name,
        description=inner.description,
        params_json_schema=inner.parameters,
        on_invoke_tool=invoke,
        needs_approval=inner.approval_mode == "always_require",
    )


def _codeact_tool(given: FunctionTool | Callable[..., Any], asks_inside: bool) -> CodeActTool:
    # Errors of a function are exceptions of the code, and not a text for the model.
    tool: Any = (
        given if isinstance(given, FunctionTool) else function_tool(given, failure_error_function=None)
    )
    refused = {
        "tool_input_guardrails": tool.tool_input_guardrails,
        "tool_output_guardrails": tool.tool_output_guardrails,
        "is_enabled": tool.is_enabled is not True,
        "needs_approval as a function": callable(tool.needs_approval),
    }
    for option, is_set in refused.items():
        if is_set:
            raise PolicyError(f"tool {tool.name!r} has {option}, which calls from code would pass by")

    async def call(**arguments: Any) -> Any:
        outer, numbers = _outer.get()
        text = json.dumps(arguments, default=str)
        context = ToolContext(
            outer.context,
            outer.usage,
            tool_name=tool.name,
            tool_call_id=f"{outer.tool_call_id}/{next(numbers)}",
            tool_arguments=text,
            agent=outer.agent,
            run_config=outer.run_config,
        )
        with function_span(tool.name, input=text) as span:
            result = await invoke_function_tool(function_tool=tool, context=context, arguments=text)
            span.span_data.output = str(result)
        return result

    approval = "never_require"
    if tool.needs_approval:
        approval = "ask" if asks_inside else "always_require"
    return CodeActTool(
        call,
        name=tool.name,
        description=tool.description,
        schema=_with_defaults(tool.params_json_schema),
        approval=approval,  # type: ignore[arg-type]
    )


def _with_defaults(schema: dict[str, Any]) -> dict[str, Any]:
    """Returns a schema by which a parameter with a default may be left out: strict ones ask models for all of them."""
    properties = schema.get("properties", {})
    required = [name for name in schema.get("required", ()) if "default" not in properties.get(name, {})]
    return {**schema, "required": required}


def _output(result: CodeResult, max_chars: int) -> list[Any]:
    output: list[Any] = [ToolOutputText(text=result.render(max_chars))]
    for file in result.files:
        if file.media_type.startswith("image/") and file.data is not None:
            data = base64.b64encode(file.data).decode("ascii")
            output.append(ToolOutputImage(image_url=f"data:{file.media_type};base64,{data}"))
    return output
