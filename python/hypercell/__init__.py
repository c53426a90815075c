"""Runs Python that a language model wrote in a fresh, hardware-isolated micro-VM, in milliseconds.

    import hypercell

    with hypercell.Sandbox(tools=[list_users]) as box:
        result = box.run("len(list_users())")
"""

from ._errors import (
    GuestCodeError,
    GuestCrashError,
    HypercellError,
    ImageError,
    LimitError,
    MemoryLimitError,
    OutputLimitError,
    PolicyError,
    ProtocolError,
    RunCancelledError,
    SandboxBusyError,
    SandboxClosedError,
    SandboxPoisonedError,
    SandboxUnavailableError,
    TimeLimitError,
    ToolLimitError,
    ValueNotSendableError,
)
from ._image import Image
from ._limits import Limits
from ._result import GuestError, RunResult, Usage
from ._sandbox import Sandbox
from ._tools import Tool
from ._version import __version__

__all__ = [
    "GuestCodeError",
    "GuestCrashError",
    "GuestError",
    "HypercellError",
    "Image",
    "ImageError",
    "LimitError",
    "Limits",
    "MemoryLimitError",
    "OutputLimitError",
    "PolicyError",
    "ProtocolError",
    "RunCancelledError",
    "RunResult",
    "Sandbox",
    "SandboxBusyError",
    "SandboxClosedError",
    "SandboxPoisonedError",
    "SandboxUnavailableError",
    "TimeLimitError",
    "Tool",
    "ToolLimitError",
    "Usage",
    "ValueNotSendableError",
    "__version__",
]

for _name in __all__:
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = __name__
del _name
