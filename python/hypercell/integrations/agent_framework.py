"""Microsoft Agent Framework: `execute_code` for an agent, by a context provider or as a tool.

    agent = Agent(client=client, context_providers=[CodeActProvider(tools=[list_orders])])

Needs `pip install hypercell[agent-framework]`. docs/integrations/agent-framework.md is the guide.

A call of a tool from inside a block goes through the function middleware of the chat client, the agent and its context
providers, and through the tool's own telemetry, as if the model had called the tool.

Before: Agent Framework. After: `hypercell.codeact`.
"""

from __future__ import annotations

import contextvars
import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

try:
    from agent_framework import (
        Content,
        ContextProvider,
        FunctionInvocationContext,
        FunctionTool,
        MiddlewareFailure,
        MiddlewareTermination,
        UserInputRequiredException,
        normalize_tools,
    )

    # The framework's own chain and its own way to tell kinds of middleware apart; there are no public names for them.
    from agent_framework._middleware import FunctionMiddlewarePipeline, categorize_middleware
except ImportError as error:
    raise ImportError(
        f"hypercell.integrations.agent_framework needs {error.name}: pip install hypercell[agent-framework]"
    ) from error

from hypercell import PolicyError, codeact
from hypercell.codeact import AllowedDomain, CodeActTool, CodeResult, FileMount

from ..codeact._result import DEFAULT_RENDER_CHARS
from ._signals import SignalError

__all__ = ["CodeActProvider", "ExecuteCodeTool"]

# What middleware and tools raise to end or pause the run of the agent, and not only one call.
_SIGNALS = (MiddlewareTermination, MiddlewareFailure, UserInputRequiredException)


class _Block:
    """A block that runs: what calls from inside it share with the call of `execute_code`."""

    def __init__(self, context: FunctionInvocationContext | None, middleware: Sequence[Any]) -> None:
        self._context = context
        self._pipeline = FunctionMiddlewarePipeline(*middleware)
        self._numbers = itertools.count(1)

    async def call(self, tool: FunctionTool, arguments: dict[str, Any]) -> Any:
        """Calls a tool as the framework does for a model, but for the result, which stays a Python value.

        Raises:
            SignalError: Middleware or the tool wants the run of the agent to end.
        """
        outer = self._context
        call_id = f"{outer.metadata.get('call_id', '') if outer else ''}/{next(self._numbers)}"
        context = FunctionInvocationContext(
            function=tool,
            arguments=arguments,
            session=outer.session if outer else None,
            metadata={"call_id": call_id, "codeact": True},
            kwargs=outer.kwargs if outer else None,
            tools=outer.tools if outer else None,
            parent_service_session_state_keys=outer.parent_service_session_state_keys if outer else None,
        )

        async def invoke(context: FunctionInvocationContext) -> Any:
            return await tool.invoke(
                arguments=context.arguments, context=context, tool_call_id=call_id, skip_parsing=True
            )

        try:
            return _value_of(await self._pipeline.execute(context, invoke))
        except _SIGNALS as signal:
            raise SignalError(signal) from None


#: The block that runs in this context: tools see the context of whoever started it.
_block: contextvars.ContextVar[_Block] = contextvars.ContextVar("hypercell_agent_framework_block")


class _Call:
    """The function of a tool in a block."""

    def __init__(self, tool: FunctionTool) -> None:
        self.tool = tool

    async def __call__(self, **arguments: Any) -> Any:
        return await _block.get().call(self.tool, arguments)


class _Granted:
    """What the provider and the tool have in common: tools, mounts and domains that can change between runs."""

    _codeact: codeact.CodeAct
    _asks_inside: bool

    def add_tools(self, tools: Any) -> None:
        """Lets the code call tools, from the next run on; one of the same name is replaced.

        Args:
            tools: A function, a `FunctionTool`, or several.

        Raises:
            PolicyError: One of them is no function of this process.
        """
        self._codeact.add_tools([_codeact_tool(tool, self._asks_inside) for tool in normalize_tools(tools)])

    def get_tools(self) -> list[FunctionTool]:
        """Returns the tools that the code may call."""
        return [tool.function.tool for tool in self._codeact.get_tools() if isinstance(tool.function, _Call)]

    def remove_tool(self, name: str) -> None:
        """Removes a tool, from the next run on.

        Raises:
            KeyError: There is none of this name.
        """
        self._codeact.remove_tool(name)

    def clear_tools(self) -> None:
        """Removes all tools, from the next run on."""
        self._codeact.clear_tools()

    def add_file_mounts(self, file_mounts: Any) -> None:
        """Adds directories of the host, from the next run on, as `hypercell.codeact` takes them."""
        self._codeact.add_file_mounts(file_mounts)

    def get_file_mounts(self) -> list[FileMount]:
        """Returns the directories of the host that the code may use."""
        return self._codeact.get_file_mounts()

    def remove_file_mount(self, mount_path: str) -> None:
        """Removes a directory, from the next run on.

        Raises:
            KeyError: None is mounted there.
        """
        self._codeact.remove_file_mount(mount_path)

    def clear_file_mounts(self) -> None:
        """Removes all directories, from the next run on."""
        self._codeact.clear_file_mounts()

    def add_allowed_domains(self, domains: Any) -> None:
        """Adds what the code may reach by HTTP, from the next run on, as `hypercell.codeact` takes it."""
        self._codeact.add_allowed_domains(domains)

    def get_allowed_domains(self) -> list[AllowedDomain]:
        """Returns what the code may reach by HTTP."""
        return self._codeact.get_allowed_domains()

    def remove_allowed_domain(self, target: str) -> None:
        """Removes what the code may reach, from the next run on.

        Raises:
            KeyError: There is no such target.
        """
        self._codeact.remove_allowed_domain(target)

    def clear_allowed_domains(self) -> None:
        """Removes all that the code may reach by HTTP, from the next run on."""
        self._codeact.clear_allowed_domains()


class ExecuteCodeTool(_Granted, FunctionTool):
    """`execute_code` as a tool of an agent, beside others: `Agent(tools=[send_mail, ExecuteCodeTool(tools=[...])])`.

    Its description tells the model of tools, files and domains as they are now. Calls from inside a block see the
    middleware given here, and no other; `CodeActProvider` knows that of its agent.

    Args:
        tools: What the code may call: functions and `FunctionTool` objects. With `approve`, one that requires approval
            pauses the block at each call; without, it has every block approved before it starts, by the framework.
        approve: Who approves calls inside a block, as for `hypercell.codeact.CodeActProvider`.
        middleware: Function middleware for calls from inside a block.
        max_result_chars: Longest text that the model gets back, in characters; what is cut is named.
        options: `approval_mode`, `policy`, `file_mounts`, `allowed_domains`, `limits`, `image`, `pool` and `on_audit`,
            as for `hypercell.codeact.CodeActProvider`.

    Raises:
        PolicyError: An option cannot be.
    """

    def __init__(
        self,
        tools: Any = None,
        *,
        approve: Any = None,
        middleware: Any = None,
        max_result_chars: int = DEFAULT_RENDER_CHARS,
        **options: Any,
    ) -> None:
        inner = codeact.ExecuteCodeTool(approve=approve, **options)
        chain = _function_middleware(middleware)
        self._set_up(inner, approve is not None, lambda: chain, max_result_chars)
        self.add_tools(tools)

    @classmethod
    def _over(
        cls,
        inner: codeact.ExecuteCodeTool,
        asks_inside: bool,
        middleware: Callable[[], Sequence[Any]],
        max_result_chars: int,
    ) -> ExecuteCodeTool:
        """Makes a tool of one that is there."""
        tool = cls.__new__(cls)
        tool._set_up(inner, asks_inside, middleware, max_result_chars)
        return tool

    def _set_up(
        self,
        inner: codeact.ExecuteCodeTool,
        asks_inside: bool,
        middleware: Callable[[], Sequence[Any]],
        max_result_chars: int,
    ) -> None:
        self._codeact: codeact.ExecuteCodeTool = inner
        self._asks_inside, self._middleware, self._max_result_chars = (
            asks_inside,
            middleware,
            max_result_chars,
        )
        FunctionTool.__init__(
            self, name=inner.name, description="", func=self._execute, input_model=inner.parameters
        )

    @property
    def description(self) -> str:
        """What the model has to know to use it, as it is now."""
        return self._codeact.description

    @description.setter
    def description(self, value: str) -> None:
        # The framework sets what it was given. It is made anew each time instead.
        del value

    @property
    def approval_mode(self) -> str:
        """Whether the framework has to have a call approved: `"always_require"` or `"never_require"`."""
        return self._codeact.approval_mode

    @approval_mode.setter
    def approval_mode(self, value: str | None) -> None:
        # As for the description.
        del value

    async def _execute(self, code: str, ctx: FunctionInvocationContext | None = None) -> list[Content]:
        token = _block.set(_Block(ctx, self._middleware()))
        try:
            # The framework asked already, if the approval mode says so.
            result = await self._codeact.execute_code(code, is_approved=True)
        except SignalError as carrier:
            raise carrier.signal from None
        finally:
            _block.reset(token)
        return _contents_of(result, self._max_result_chars)


class CodeActProvider(_Granted, ContextProvider):
    """Gives an agent `execute_code` and the instructions for it, as they are when each run of the agent begins.

    What is added or removed holds from the next run on.

    Args:
        tools: As for `ExecuteCodeTool`.
        source_id: Name of the provider in the framework.
        approve: As for `ExecuteCodeTool`.
        middleware: Function middleware for calls from inside a block, after that of client, agent and providers.
        max_result_chars: As for `ExecuteCodeTool`.
        options: As for `ExecuteCodeTool`.

    Raises:
        PolicyError: An option cannot be.
    """

    DEFAULT_SOURCE_ID = "hypercell_codeact"

    def __init__(
        self,
        tools: Any = None,
        *,
        source_id: str = DEFAULT_SOURCE_ID,
        approve: Any = None,
        middleware: Any = None,
        max_result_chars: int = DEFAULT_RENDER_CHARS,
        **options: Any,
    ) -> None:
        super().__init__(source_id)
        self._codeact: codeact.CodeActProvider = codeact.CodeActProvider(approve=approve, **options)
        self._asks_inside, self._max_result_chars = approve is not None, max_result_chars
        self._own_middleware = _function_middleware(middleware)
        self.add_tools(tools)

    async def before_run(self, *, agent: Any, session: Any, context: Any, state: dict[str, Any]) -> None:
        """Adds the tool and the instructions to a run of an agent."""
        del session, state

        def middleware() -> list[Any]:
            # Asked for at each block: providers after this one have added theirs by then.
            client = getattr(getattr(agent, "client", None), "function_middleware", ())
            of_agent = _function_middleware(getattr(agent, "middleware", None))
            return [
                *client,
                *of_agent,
                *_function_middleware(context.get_middleware()),
                *self._own_middleware,
            ]

        inner = self._codeact.create_run_tool()
        tool = ExecuteCodeTool._over(inner, self._asks_inside, middleware, self._max_result_chars)
        context.extend_instructions(self.source_id, self._codeact.instructions("short"))
        context.extend_tools(self.source_id, [tool])


def _function_middleware(given: Any) -> list[Any]:
    return list(categorize_middleware(given)["function"])


def _codeact_tool(tool: Any, asks_inside: bool) -> CodeActTool:
    if not isinstance(tool, FunctionTool) or tool.declaration_only:
        name = getattr(tool, "name", None) or type(tool).__name__
        raise PolicyError(f"tool {name!r} is no function of this process, so code cannot call it")
    approval = "never_require"
    if tool.approval_mode == "always_require":
        approval = "ask" if asks_inside else "always_require"
    return CodeActTool(
        _Call(tool),
        name=tool.name,
        description=tool.description or "",
        schema=tool.parameters(),
        approval=approval,  # type: ignore[arg-type]
    )


def _value_of(result: Any) -> Any:
    """Returns what the code gets: contents, with which middleware may answer in place of a tool, are their text."""
    contents = result if isinstance(result, list) else [result]
    if contents and all(isinstance(one, Content) for one in contents):
        return "".join(one.text or "" for one in contents)
    return result


def _contents_of(result: CodeResult, max_chars: int) -> list[Content]:
    """Returns what the model gets: output and value as text, files as data, and the error."""
    contents = []
    if result.error is None or result.stdout or result.stderr:
        contents.append(
            Content.from_text(_without(result, error=None).render(max_chars), raw_representation=result)
        )
    contents.extend(
        Content.from_data(
            file.data or b"", file.media_type, additional_properties={"path": f"/output/{file.path}"}
        )
        for file in result.files
    )
    if result.error is not None:
        alone = _without(result, stdout="", stderr="", value=None)
        details = alone.render(max_chars).removeprefix("error: ")
        contents.append(
            Content.from_error(message="Execution error", error_details=details, raw_representation=result)
        )
    return contents


def _without(result: CodeResult, **parts: Any) -> CodeResult:
    return dataclasses.replace(result, files=(), **parts)
