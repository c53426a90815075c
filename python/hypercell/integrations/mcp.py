"""A server of the Model Context Protocol with one tool, `execute_code`: what `hypercell mcp` runs.

Needs `pip install hypercell[mcp]`.

    tool = ExecuteCodeTool([lookup, CodeActTool(pay, approval="ask")], approve=ask_client)
    asyncio.run(serve_stdio(tool))

Approvals go to the client's user by elicitation: as a request of the server where the protocol has that (until
2025-11-25), or as a result that asks for input (from 2026-07-28 on), while the block stays paused here.

Before: `_cli`, or the caller. After: `hypercell.codeact`, the SDK.
"""

from __future__ import annotations

import asyncio
import base64
import contextvars
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from .._result import File
from .._version import __version__
from ..codeact import Approval, ApprovalRequest, CodeResult, ExecuteCodeTool

try:
    import mcp.types as types
    from mcp.server.lowlevel import Server
    from mcp.server.stdio import stdio_server
except ImportError as error:
    raise ImportError(f"hypercell.integrations.mcp needs {error.name}: pip install hypercell[mcp]") from error

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext

__all__ = ["ask_client", "make_server", "serve_stdio"]

# Blocks that wait for a client that may never come back; beyond them the one that waits longest is ended.
_MAX_WAITING = 16
# Bytes of files that a result carries, all together; a client gets a result as one message.
_MAX_FILE_BYTES = 8 << 20
_MAX_SHOWN_CHARS = 2000
_QUESTION = "approval"
_NO = "the user did not approve"
_FORM = {
    "type": "object",
    "properties": {"approve": {"type": "boolean", "title": "Approve this call"}},
    "required": ["approve"],
}

_Ask = Callable[[ApprovalRequest], Awaitable[Approval]]
_asker: contextvars.ContextVar[_Ask] = contextvars.ContextVar("hypercell_mcp_asker")


async def ask_client(request: ApprovalRequest) -> Approval:
    """Asks the user of the MCP client, as the approver of a tool that `make_server` serves; others deny."""
    ask = _asker.get(None)
    return Approval.deny("nobody can be asked") if ask is None else await ask(request)


def make_server(tool: ExecuteCodeTool) -> Server[Any]:
    """Makes a server of a tool, for any transport of the SDK.

    Args:
        tool: What is served. Give it `approve=ask_client` to have the client's user asked.
    """
    return _Served(tool).server


async def serve_stdio(tool: ExecuteCodeTool) -> None:
    """Serves a tool on standard input and output until the client closes them."""
    server = make_server(tool)
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


class _Block:
    """A call of the tool that a client may have to answer questions for, one at a time."""

    def __init__(self, tool: ExecuteCodeTool, code: str) -> None:
        self.request: ApprovalRequest | None = None
        self._asked = asyncio.Event()
        self._answer: asyncio.Future[Approval] | None = None
        context = contextvars.copy_context()
        context.run(_asker.set, self._ask)
        run = tool.execute_code(code)
        # Before 3.11 tasks take no context.
        self.task = context.run(asyncio.get_running_loop().create_task, run)

    async def _ask(self, request: ApprovalRequest) -> Approval:
        self.request, self._answer = request, asyncio.get_running_loop().create_future()
        self._asked.set()
        return await self._answer

    def answer(self, approval: Approval) -> None:
        """Answers what is asked."""
        self.request = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(approval)

    async def step(self) -> CodeResult | None:
        """Returns what the block ended with, or None if it asks something."""
        self._asked.clear()
        asked = asyncio.ensure_future(self._asked.wait())
        try:
            await asyncio.wait({asked, self.task}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.task.cancel()
            raise
        finally:
            asked.cancel()
        return self.task.result() if self.task.done() else None


class _Served:
    """A server, and the blocks that wait for its client."""

    def __init__(self, tool: ExecuteCodeTool) -> None:
        self._tool = tool
        self._waiting: dict[str, tuple[str, _Block]] = {}
        self.server: Server[Any] = Server(
            "hypercell",
            version=__version__,
            instructions=tool.instructions("short"),
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
        )

    async def _list_tools(
        self, _context: ServerRequestContext[Any], _params: object
    ) -> types.ListToolsResult:
        tool = self._tool
        described = types.Tool(name=tool.name, description=tool.description, input_schema=tool.parameters)
        return types.ListToolsResult(tools=[described])

    async def _call_tool(
        self, context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        code = (params.arguments or {}).get("code")
        if params.name != self._tool.name:
            return _failure(f"there is no tool {params.name!r}; there is {self._tool.name!r}")
        if set(params.arguments or {}) != {"code"} or not isinstance(code, str):
            return _failure("execute_code takes one argument, code, which is a text")
        if params.request_state is not None:
            return await self._continue(code, params)
        if context.session.can_send_request and _can_be_asked(context):
            return await self._run(code, context)
        block = _Block(self._tool, code)
        return await self._advance(code, block, can_ask=_can_be_asked(context))

    async def _run(self, code: str, context: ServerRequestContext[Any]) -> types.CallToolResult:
        """Runs a block whose questions are requests of this server."""

        async def ask(request: ApprovalRequest) -> Approval:
            reply = await context.session.elicit_form(_text_of(request), _FORM, context.request_id)
            return _approval_of(reply)

        token = _asker.set(ask)
        try:
            return _shown(await self._tool.execute_code(code))
        finally:
            _asker.reset(token)

    async def _continue(
        self, code: str, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        """Goes on with a block whose question the client has answered."""
        waiting = self._waiting.pop(params.request_state or "", None)
        if waiting is None or waiting[0] != code:
            return _failure("no block waits for this answer")
        _, block = waiting
        block.answer(_approval_of((params.input_responses or {}).get(_QUESTION)))
        return await self._advance(code, block, can_ask=True)

    async def _advance(
        self, code: str, block: _Block, *, can_ask: bool
    ) -> types.CallToolResult | types.InputRequiredResult:
        """Takes a block to its end, or to a question that the client gets as the result."""
        while True:
            result = await block.step()
            if result is not None:
                return _shown(result)
            if can_ask and block.request is not None:
                break
            block.answer(Approval.deny("the client cannot be asked"))
        if len(self._waiting) >= _MAX_WAITING:
            _, oldest = self._waiting.pop(next(iter(self._waiting)))
            oldest.task.cancel()
        # The client gives it back: it must not be guessed.
        state = secrets.token_urlsafe(32)
        self._waiting[state] = code, block
        question = types.ElicitRequest(
            params=types.ElicitRequestFormParams(message=_text_of(block.request), requested_schema=_FORM)
        )
        return types.InputRequiredResult(input_requests={_QUESTION: question}, request_state=state)


def _can_be_asked(context: ServerRequestContext[Any]) -> bool:
    capabilities = context.session.client_capabilities
    return capabilities is not None and capabilities.elicitation is not None


def _text_of(request: ApprovalRequest) -> str:
    """Returns a question for a person. What a model wrote in it is quoted."""
    lines = [f"The code wants to call {request.tool!r} with:"]
    if request.kind == "block":
        lines = ["A model wants to run this code:"]
    if request.kind == "output":
        lines = ["The code has ended. May its result be given to the model?"]
    lines += [f"  {name}: {_short(repr(value))}" for name, value in request.arguments.items()]
    source = request.code.splitlines()
    if request.line is not None and 0 < request.line <= len(source):
        lines.append(f"from line {request.line}: {_short(repr(source[request.line - 1].strip()))}")
    if request.reason is not None:
        lines.append(f"because: {request.reason}")
    return "\n".join(lines)


def _short(text: str) -> str:
    return (
        text if len(text) <= _MAX_SHOWN_CHARS else f"{text[:_MAX_SHOWN_CHARS]} ... ({len(text)} characters)"
    )


def _approval_of(reply: object) -> Approval:
    """Returns what a client answered. All but a clear yes denies."""
    if isinstance(reply, types.ElicitResult) and reply.action == "accept":
        is_yes = (reply.content or {}).get("approve") is True
        return Approval.allow() if is_yes else Approval.deny(_NO)
    return Approval.deny(_NO)


def _failure(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)


def _shown(result: CodeResult) -> types.CallToolResult:
    content: list[Any] = [types.TextContent(text=result.render())]
    left = _MAX_FILE_BYTES
    for file in result.files:
        if file.data is None or file.size > left:
            content.append(types.TextContent(text=f"{file.path} is too large to attach: {file.size} bytes"))
            continue
        left -= file.size
        content.append(_attached(file, file.data))
    return types.CallToolResult(content=content, is_error=result.status != "ok")


def _attached(file: File, data: bytes) -> Any:
    encoded = base64.b64encode(data).decode()
    if file.media_type.startswith("image/") and file.media_type != "image/svg+xml":
        return types.ImageContent(data=encoded, mime_type=file.media_type)
    uri = f"hypercell://output/{_quoted(file.path)}"
    resource = types.BlobResourceContents(uri=uri, mime_type=file.media_type, blob=encoded)
    return types.EmbeddedResource(resource=resource)


def _quoted(path: str) -> str:
    from urllib.parse import quote_from_bytes

    return quote_from_bytes(path.encode("utf-8", "surrogateescape"))
