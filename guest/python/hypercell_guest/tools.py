"""`call_tool` and the functions named after the tools, as a program sees them.

Before: runner. After: channel.
"""

from hypercell_guest.channel import TOOL_CALL
from hypercell_guest.codec import encode

# The host's name for arguments that do not fit the parameters: the caller's mistake, as for any function.
ARGUMENT_ERROR = "ArgumentError"
# Positional arguments travel under this key: only the host knows the names of the parameters.
POSITIONAL = ""


def _map_head(entries):
    """Returns the CBOR head of a map: that of the number, with the major type of maps (RFC 8949, 3.1)."""
    head = bytearray(encode(entries))
    head[0] |= 0xA0
    return bytes(head)


class ToolError(RuntimeError):
    """A tool failed, was refused, or does not exist.

    Attributes:
        tool: Name of the tool.
        type: Name of the exception on the host, such as `ValueError`.
        message: Its message. Nothing else of the host crosses.
    """

    def __init__(self, tool, type, message):
        super().__init__(
            f"tool {tool!r} failed: {type}: {message}" if message else f"tool {tool!r} failed: {type}"
        )
        self.tool = tool
        self.type = type
        self.message = message

    def __reduce__(self):
        return ToolError, (self.tool, self.type, self.message)


class Tools:
    """Calls tools over a channel."""

    def __init__(self, channel, streams):
        self._channel = channel
        self._streams = streams
        self._next_id = 1

    def call(self, name, arguments):
        """Calls a tool and returns its result, or raises `ToolError`."""
        if type(name) is not str:
            raise TypeError(f"call_tool() needs the name of a tool as str, got {type(name).__name__}")
        call_id = self._next_id
        self._next_id = call_id + 1
        encoded = [encode(key) + encode(value, key or "arguments") for key, value in arguments.items()]
        args = _map_head(len(encoded)) + b"".join(encoded)
        body = b"\xa3bid" + encode(call_id) + b"dname" + encode(name) + b"dargs" + args
        self._streams.flush()
        reply = self._channel.request(TOOL_CALL, body)
        error = reply.get("err")
        if error is not None:
            if error["type"] == ARGUMENT_ERROR:
                raise TypeError(error["msg"])
            raise ToolError(name, error["type"], error["msg"])
        return reply["ok"]

    def names(self, tools):
        """Returns the globals that give a program its tools: `call_tool`, `ToolError`, and each tool by name."""

        def call_tool(name, /, **arguments):
            """Calls a tool of the host by name, with keyword arguments, and returns its result."""
            return self.call(name, arguments)

        names = {"call_tool": call_tool, "ToolError": ToolError}
        for name, doc in tools:
            names[name] = self._function(name, doc)
        return names

    def _function(self, name, doc):
        def tool(*positional, **arguments):
            if positional:
                arguments[POSITIONAL] = list(positional)
            return self.call(name, arguments)

        tool.__name__ = tool.__qualname__ = name
        tool.__doc__ = doc
        return tool
