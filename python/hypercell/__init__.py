"""Runs Python that a language model wrote in a fresh, hardware-isolated micro-VM, in milliseconds.

Example:
    with hypercell.Sandbox(tools=[list_users]) as box:
        result = box.run("len(list_users())")
        print(result.value, result.stdout)

`Sandbox` is where to begin, or `AsyncSandbox` with asyncio. Everything public is here; modules whose names begin with
an underscore are not.
"""

from ._async import AsyncSandbox
from ._audit import AuditEvent, audit_to_file, audit_to_logging
from ._domains import Domain
from ._errors import (
    CodeLimitError,
    CodeTypeError,
    DeniedError,
    FileLimitError,
    GuestCodeError,
    GuestCrashError,
    HypercellError,
    ImageError,
    LimitError,
    MemoryLimitError,
    NetworkLimitError,
    OutputDirError,
    OutputLimitError,
    PolicyError,
    ProtocolError,
    RunCancelledError,
    SandboxBusyError,
    SandboxClosedError,
    SandboxPoisonedError,
    SandboxUnavailableError,
    SnapshotError,
    TimeLimitError,
    ToolLimitError,
    ValueNotSendableError,
)
from ._hooks import FileRequest, HttpRequest, ToolRequest
from ._image import Image
from ._image_info import ImageInfo
from ._limits import Limits
from ._mounts import Mount
from ._pool import Pool, PoolStats
from ._result import File, GuestError, OutputEvent, PendingCall, RunResult, Usage
from ._sandbox import Sandbox
from ._snapshot import Snapshot
from ._stream import RunStream
from ._tools import Tool
from ._trace import Syscall
from ._version import __version__

__all__ = [
    "AsyncSandbox",
    "AuditEvent",
    "CodeLimitError",
    "CodeTypeError",
    "DeniedError",
    "Domain",
    "File",
    "FileLimitError",
    "FileRequest",
    "GuestCodeError",
    "GuestCrashError",
    "GuestError",
    "HttpRequest",
    "HypercellError",
    "Image",
    "ImageError",
    "ImageInfo",
    "LimitError",
    "Limits",
    "MemoryLimitError",
    "Mount",
    "NetworkLimitError",
    "OutputDirError",
    "OutputEvent",
    "OutputLimitError",
    "PendingCall",
    "PolicyError",
    "Pool",
    "PoolStats",
    "ProtocolError",
    "RunCancelledError",
    "RunResult",
    "RunStream",
    "Sandbox",
    "SandboxBusyError",
    "SandboxClosedError",
    "SandboxPoisonedError",
    "SandboxUnavailableError",
    "Snapshot",
    "SnapshotError",
    "Syscall",
    "TimeLimitError",
    "Tool",
    "ToolLimitError",
    "ToolRequest",
    "Usage",
    "ValueNotSendableError",
    "__version__",
    "audit_to_file",
    "audit_to_logging",
]

for _name in __all__:
    if callable(globals()[_name]):
        globals()[_name].__module__ = __name__
del _name
