"""What submitted code calls to reach the host: `call_tool`, `call_tool_async`, and each tool by its name.

Before: submitted code. After: `codec`, `channel` and `in_flight`.
"""

from _thread import _count
from sys import _getframe

from hypercell_guest import private_builtins as __builtins__  # noqa: F401
from hypercell_guest.channel import TOOL_CALL, TOOL_REPLY, die
from hypercell_guest.codec import ValueNotSendableError, decode, encode, encode_counted
from hypercell_guest.in_flight import InFlight

MAX_TOOL_NAME_BYTES = 128
#: What the host calls it if arguments do not fit the parameters; the tool was not called.
_ARGUMENT_ERROR = "ArgumentError"


class ToolError(RuntimeError):
    """A tool failed on the host.

    Attributes:
        tool: Its name.
        type: Name of the exception's class on the host.
        message: Text of the exception.
    """

    __module__ = "__main__"  # where submitted code finds it
    tool = type = message = None


ValueNotSendableError.__module__ = "__main__"  # its name in tracebacks is short, too


class Tools:
    """Calls to the host, numbered from 1."""

    def __init__(self, channel, streams):
        self._exchange, self._send_output, self._calls = channel.exchange, streams.send, 0
        self._in_flight = InFlight(channel, streams)
        self._code_name = ""

    def globals(self, tools, code_name):
        """Returns the names that tools, pairs of name and documentation, give to a run that begins.

        Args:
            tools: Pairs of name and documentation.
            code_name: File name of the submitted code, whose line is sent with each call.
        """
        self._code_name = code_name
        self._in_flight.forget_all()
        call_tool, call_tool_async = self._call_tool(), self._call_tool_async()
        names = {"call_tool": call_tool, "call_tool_async": call_tool_async, "ToolError": ToolError}
        for name, doc in tools:
            if name.isidentifier() and not name.startswith("__"):
                names[name] = self._by_name(name, doc)
        return names

    def call(self, name, arguments):
        """Calls a tool and returns its result.

        Raises:
            ValueNotSendableError: an argument cannot cross; nothing was sent.
            TypeError: the arguments do not fit the tool.
            ToolError: the tool failed, or there is none of this name.
        """
        if _count():
            encoded, items = _encode(arguments, name, encode_counted)
            line = encode(self._line())
            return _result(name, self._in_flight.call_in_thread(_encode_name(name), encoded, items, line))
        self._calls = number = self._calls + 1
        body = b"\xa4\x62id%b\x64name%b\x64args%b\x64line%b" % (
            encode(number),
            _encode_name(name),
            _encode(arguments, name),
            encode(self._line()),
        )
        self._send_output()
        kind, reply = self._exchange(TOOL_CALL, body)
        reply = decode(reply)
        if kind != TOOL_REPLY or reply["id"] != number:
            die(f"frame of kind {kind:#06x} is no answer to call {number}")
        return _result(name, reply)

    async def call_beside(self, name, arguments, line):
        """Calls a tool beside others that are called so, from a line of the code, and returns its result.

        Raises:
            ValueNotSendableError, TypeError, ToolError: As `call`.
        """
        encoded, items = _encode(arguments, name, encode_counted)
        return _result(name, await self._in_flight.call(_encode_name(name), encoded, items, encode(line)))

    def _call_tool(self):
        def call_tool(name, /, *args, **kwargs):
            """Calls the tool of this name with keyword arguments and returns its result."""
            _check("call_tool", name, args)
            return call(name, kwargs)

        call = self.call
        call_tool.__module__ = "__main__"
        return call_tool

    def _line(self):
        """Returns the line of the submitted code from which this is called, or None."""
        frame, name = _getframe(1), self._code_name
        while frame is not None:
            if frame.f_code.co_filename == name:
                return frame.f_lineno
            frame = frame.f_back
        return None

    def _call_tool_async(self):
        def call_tool_async(name, /, *args, **kwargs):
            """Calls the tool of this name as `call_tool` does, beside others: asyncio.gather several of these."""
            # Here and not in the coroutine: what awaits that may be the event loop alone.
            return call(name, args, kwargs, line())

        async def call(name, args, kwargs, line):
            _check("call_tool_async", name, args)
            return await call_beside(name, kwargs, line)

        call_beside, line = self.call_beside, self._line
        call_tool_async.__module__ = "__main__"
        return call_tool_async

    def _by_name(self, name, doc):
        def tool(*args, **kwargs):
            # Only the host knows the parameters: positional arguments travel under a name that no parameter has.
            if args:
                kwargs[""] = list(args)
            return call(name, kwargs)

        call = self.call
        tool.__name__ = tool.__qualname__ = name
        tool.__doc__, tool.__module__ = doc, "__main__"
        return tool


def _check(function, name, args):
    if not isinstance(name, str):
        raise TypeError(f"{function}: the name of a tool is a str, not {type(name).__name__}")
    if args:
        raise TypeError(
            f"{function}({name!r}): arguments go by keyword, as in {function}({name!r}, key=value)"
        )


def _encode_name(name):
    data = encode(name, "the name of a tool")
    if len(data) > MAX_TOOL_NAME_BYTES + 2:  # with the head of the text
        raise ValueError(f"name of a tool of {len(data) - 2} bytes or more exceeds {MAX_TOOL_NAME_BYTES}")
    return data


def _encode(arguments, tool, encode=encode):
    try:
        return encode(arguments, "")
    except ValueNotSendableError as error:
        # The argument begins the path: `rows[3]`, not `["rows"][3]`.
        name, is_inside, rest = str(error).partition('"]')
        where = (
            f"{name[2:] or 'arguments'}{rest}" if is_inside and name.startswith('["') else f"arguments{error}"
        )
        raise ValueNotSendableError(f"tool {tool!r}: {where}") from None


def _result(tool, reply):
    """Returns what a reply brings, or raises it."""
    if "err" not in reply:
        return reply["ok"]
    raise _error(tool, reply["err"]["type"], reply["err"]["msg"])


def _error(tool, type_name, message):
    """Returns the exception for a failed call: for wrong arguments the one of any Python function."""
    if type_name == _ARGUMENT_ERROR:
        return TypeError(message)
    error = ToolError(f"tool {tool!r} failed: {type_name}{': ' if message else ''}{message}")
    error.tool, error.type, error.message = tool, type_name, message
    return error
