"""What the caller has a sandbox call: who hears of events, and who may change or deny what is allowed.

Guarantees: no tool runs, no request is sent and no file is opened unless the hook for it, if there is one, returned for
this very one. Never: decides what a hook may put in place of a request or file (the gates do), nor tells the guest why
a broken hook failed.

Before: `_runner`, `_calls`, `_drive`. After: the caller's functions, `_audit`.
"""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ._audit import AuditKind, AuditLog, OnAudit
from ._errors import DeniedError, PolicyError
from ._image import native
from ._tools import Tool
from ._trace import OnSyscall, check_trace, trace_of

if TYPE_CHECKING:
    from ._calls import ToolCall


@dataclass(frozen=True)
class ToolRequest:
    """A tool call that the guest asks for and the sandbox allows, before it is made.

    Attributes:
        tool: Name of the tool.
        arguments: Its arguments by name, as the submitted code gave them. They fit the tool's signature; those left to
            their defaults are missing. A copy: changes count only if the hook returns it.
        line: Line of the submitted code that makes the call, from 1, or None if unknown. Guest-controlled.
    """

    tool: str
    arguments: dict[str, Any]
    line: int | None = None


@dataclass(frozen=True)
class HttpRequest:
    """A request of HTTP that submitted code makes and a domain allows, before anything is sent.

    Attributes:
        method: The method, in capitals.
        url: The URL as it will be fetched.
        headers: Names, in lower case, and values, whose bytes are shown as Latin-1. Those of the connection, such as
            Host and Content-Length, are not among them, nor those that a `Domain` sets: these are added later, for the
            domain that allows what is sent, in place of others of their names.
        body: The whole body.
        hop: How many redirects the host followed to get here, for `hypercell_guest.http`. Libraries follow redirects
            themselves, with a request for each.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    hop: int = 0


@dataclass(frozen=True)
class FileRequest:
    """The opening of a file of a mount, which submitted code asks for and the mount allows, before it is touched.

    Attributes:
        path: Path in the guest, absolute and without `..`. Symbolic links are not followed yet: a file may have other
            names, and where a mount is writable, submitted code may rename it.
        read: Whether it is to be read.
        write: Whether it is to be written, anywhere or at its end.
        create: Whether it is made if it is missing.
        truncate: Whether it is emptied.
    """

    path: str
    read: bool
    write: bool
    create: bool
    truncate: bool


BeforeToolCall = Callable[[ToolRequest], "Mapping[str, Any] | None"]
BeforeHttpRequest = Callable[[HttpRequest], "HttpRequest | None"]
BeforeFileOpen = Callable[[FileRequest], "FileRequest | None"]

_Headers = list[tuple[str, bytes]]


def check_hooks(on_audit: object, **hooks: object) -> None:
    """Checks the functions that a sandbox is to call: who hears of events, and by name who may object.

    Raises:
        PolicyError: One cannot be called, or cannot answer at once.
    """
    for name, hook in {"on_audit": on_audit, **hooks}.items():
        if hook is not None and not callable(hook):
            raise PolicyError(f"{name} must be callable, got {type(hook).__name__}")
    for name, hook in hooks.items():
        if inspect.iscoroutinefunction(hook):
            raise PolicyError(f"{name} must be a sync function, got an async one")


class Hooks:
    """The functions that the caller gave a sandbox: who hears of events, and who looks at what is allowed."""

    def __init__(
        self,
        on_audit: OnAudit | None,
        before_tool_call: BeforeToolCall | None,
        before_http_request: BeforeHttpRequest | None,
        before_file_open: BeforeFileOpen | None,
        trace_syscalls: bool | OnSyscall = False,
    ) -> None:
        """Takes the functions.

        Raises:
            PolicyError: One cannot be.
        """
        check_hooks(
            on_audit,
            before_tool_call=before_tool_call,
            before_http_request=before_http_request,
            before_file_open=before_file_open,
        )
        check_trace(trace_syscalls)
        #: What hears of the events of the native module, or None.
        self.log = AuditLog(on_audit) if on_audit is not None else None
        #: What hears of system calls, or None.
        self.trace = trace_of(trace_syscalls)
        self._before_tool_call = before_tool_call
        self._before_http_request = before_http_request
        self._before_file_open = before_file_open

    def bind(self, tool: Tool, call: ToolCall) -> dict[str, Any]:
        """Returns what to call the function of a tool with. What the call says is guest-controlled.

        Raises:
            ArgumentError: They do not fit the tool.
            DeniedError: The hook denied the call.
            HookFailedError: The hook failed, so nobody allowed the call.
        """
        if self._before_tool_call is None:
            return tool.bind(call.args)
        given = tool.by_name(call.args)
        # First, so that a hook need not expect what does not fit the signature.
        bound = tool.bind(given)
        try:
            edited = self._before_tool_call(ToolRequest(tool.name, copy.deepcopy(given), call.line))
            if edited is not None and not isinstance(edited, Mapping):
                raise TypeError(
                    f"before_tool_call must return a mapping or None, got {type(edited).__name__}"
                )
            encoded = None if edited is None else native().encode_value(dict(edited))
        except DeniedError as denied:
            self.record("tool_denied", call=call.id, name=tool.name, reason=str(denied))
            raise
        except BaseException as error:
            self.record("tool_denied", call=call.id, name=tool.name, reason="before_tool_call failed")
            raise HookFailedError(error) from None
        if edited is None or encoded is None:
            return bound
        # Imported where it is needed: it takes longer than most of this package.
        import hashlib

        self.record(
            "tool_rewritten",
            call=call.id,
            name=tool.name,
            argument_bytes=len(encoded),
            arguments_digest=hashlib.sha256(encoded).hexdigest(),
        )
        return tool.bind(edited)

    @property
    def http(self) -> Callable[..., str | tuple[str, str, _Headers, bytes] | None] | None:
        """What the native module asks before a request of HTTP is sent, or None. What it raises ends the run."""
        return None if self._before_http_request is None else self._ask_http

    @property
    def open(self) -> Callable[..., str | tuple[bytes] | None] | None:
        """What the native module asks before a file of a mount is opened, or None. What it raises ends the run."""
        return None if self._before_file_open is None else self._ask_open

    def _ask_http(
        self, method: str, url: str, headers: _Headers, body: bytes, hop: int
    ) -> str | tuple[str, str, _Headers, bytes] | None:
        shown = tuple((name, value.decode("latin-1")) for name, value in headers)
        request = HttpRequest(method, url, shown, body, hop)
        try:
            changed = self._before_http_request(request)  # type: ignore[misc]
        except DeniedError as denied:
            return str(denied)
        if changed is None or changed == request:
            return None
        _check_type(changed, HttpRequest, "before_http_request must return an HttpRequest or None")
        _check_type(changed.method, str, "before_http_request: method must be str")
        _check_type(changed.url, str, "before_http_request: url must be str")
        _check_type(changed.body, bytes, "before_http_request: body must be bytes")
        _check_type(changed.headers, tuple, "before_http_request: headers must be a tuple of pairs of str")
        for header in changed.headers:
            if not _is_pair(header):
                raise TypeError(f"before_http_request: a header must be a pair of str, got {header!r}")
        encoded = [(name, value.encode("latin-1")) for name, value in changed.headers]
        return changed.method, changed.url, encoded, changed.body

    def _ask_open(
        self, path: str, read: bool, write: bool, create: bool, truncate: bool
    ) -> str | tuple[bytes] | None:
        request = FileRequest(path, read, write, create, truncate)
        try:
            changed = self._before_file_open(request)  # type: ignore[misc]
        except DeniedError as denied:
            return str(denied)
        if changed is None or changed == request:
            return None
        _check_type(changed, FileRequest, "before_file_open must return a FileRequest or None")
        _check_type(changed.path, str, "before_file_open: path must be str")
        if changed != replace(request, path=changed.path):
            raise ValueError("before_file_open may change the path of a request only")
        return (os.fsencode(changed.path),)

    def record(self, event: AuditKind, **details: Any) -> None:
        """Delivers an event, if somebody listens."""
        if self.log is not None:
            self.log.record(event, **details)


def _is_pair(header: object) -> bool:
    return isinstance(header, tuple) and len(header) == 2 and all(isinstance(part, str) for part in header)


def _check_type(value: object, kind: type, rule: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{rule}, got {type(value).__name__}")


class HookFailedError(Exception):
    """A hook raised what is no decision. `cause` must be raised to whoever called `run`."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause
