"""LangChain and LangGraph: `execute_code` as a tool for an agent or a `ToolNode`.

    tool = execute_code_tool(tools=[search, list_orders])
    agent = create_agent(model, tools=[tool])

Needs `pip install hypercell[langchain]`. docs/integrations/langchain.md is the guide.

Before: LangChain. After: `hypercell.codeact`.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable
from typing import Any

try:
    from langchain_core.runnables import RunnableConfig
    from langchain_core.runnables.config import patch_config
    from langchain_core.tools import BaseTool, StructuredTool
    from langchain_core.tools import tool as as_tool
    from langchain_core.utils.function_calling import convert_to_openai_tool
except ImportError as error:
    raise ImportError(
        f"hypercell.integrations.langchain needs {error.name}: pip install hypercell[langchain]"
    ) from error

from hypercell import PolicyError
from hypercell.codeact import CodeActTool, CodeResult, ExecuteCodeTool

from ..codeact._result import DEFAULT_RENDER_CHARS
from ._signals import SignalError

__all__ = ["execute_code_tool"]

#: The configuration of the call of `execute_code` that runs in this context: callbacks, tags, metadata.
_config: contextvars.ContextVar[RunnableConfig] = contextvars.ContextVar("hypercell_langchain_config")


def execute_code_tool(
    tools: Iterable[BaseTool | Callable[..., Any]] = (),
    *,
    approve: Any = None,
    pause_on: Iterable[str] = (),
    max_result_chars: int = DEFAULT_RENDER_CHARS,
    **options: Any,
) -> StructuredTool:
    """Makes the tool `execute_code`, sync and async.

    Its result is text; the artifact of its ToolMessage is the `hypercell.codeact.CodeResult`, with value and files.
    Calls from inside a block are runs below that of `execute_code`, for callbacks and tracing. What LangGraph raises to
    pause or redirect a graph leaves the block.

    Args:
        tools: What the code may call: LangChain tools, or functions.
        approve: Who approves calls, as for `hypercell.codeact.ExecuteCodeTool`.
        pause_on: Names of the tools at whose calls a block pauses until `approve` has decided.
        max_result_chars: Longest text that the model gets back, in characters; what is cut is named.
        options: `approval_mode`, `policy`, `file_mounts`, `allowed_domains`, `limits`, `image`, `pool` and `on_audit`,
            as for `hypercell.codeact.ExecuteCodeTool`.

    Raises:
        PolicyError: An option cannot be.
    """
    paused = set(pause_on)
    inside = [_codeact_tool(tool, paused) for tool in tools]
    unknown = paused - {tool.name for tool in inside}
    if unknown:
        raise PolicyError(f"pause_on names tools that there are not: {sorted(unknown)}")
    inner = ExecuteCodeTool(inside, approve=approve, **options)

    # `callbacks` are those of the runs below this one.
    def run(code: str, config: RunnableConfig, callbacks: Any = None) -> tuple[str, CodeResult]:
        token = _config.set(patch_config(config, callbacks=callbacks))
        try:
            result = inner.execute_code_sync(code)
        except SignalError as carrier:
            raise carrier.signal from None
        finally:
            _config.reset(token)
        return result.render(max_result_chars), result

    async def arun(code: str, config: RunnableConfig, callbacks: Any = None) -> tuple[str, CodeResult]:
        token = _config.set(patch_config(config, callbacks=callbacks))
        try:
            result = await inner.execute_code(code)
        except SignalError as carrier:
            raise carrier.signal from None
        finally:
            _config.reset(token)
        return result.render(max_result_chars), result

    return StructuredTool.from_function(
        func=run,
        coroutine=arun,
        name=inner.name,
        description=inner.description,
        args_schema=inner.parameters,
        infer_schema=False,
        response_format="content_and_artifact",
    )


def _codeact_tool(given: BaseTool | Callable[..., Any], paused: set[str]) -> CodeActTool:
    tool = given if isinstance(given, BaseTool) else as_tool(given)

    async def call(**arguments: Any) -> Any:
        try:
            return await tool.ainvoke(arguments, config=_config.get())
        except _signals() as signal:
            raise SignalError(signal) from None

    function = convert_to_openai_tool(tool)["function"]
    return CodeActTool(
        call,
        name=tool.name,
        description=tool.description,
        schema=function["parameters"],
        approval="ask" if tool.name in paused else "never_require",
    )


def _signals() -> tuple[type[BaseException], ...]:
    """Returns what LangGraph raises for itself, if it is there."""
    try:
        from langgraph.errors import GraphBubbleUp
    except ImportError:
        return ()
    return (GraphBubbleUp,)
