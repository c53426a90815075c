# Replaces the guest's channel by one of its own and calls a tool that was not given. The host must not know it.
EXPECTED = ["ToolError", [259]]
import sys
frame = sys._getframe()
while type(frame.f_locals.get("self")).__name__ != "Runner":
    frame = frame.f_back
tools = frame.f_locals["self"]._tools
import hypercell_guest.channel as channel
seen = []
real = channel.Channel.exchange
def exchange(self, kind, body):
    if kind == channel.TOOL_CALL:
        body = body.replace(b"cadd", b"cadb")
    seen.append(kind)
    return real(self, kind, body)
channel.Channel.exchange = exchange
tools._exchange = exchange.__get__(tools._exchange.__self__)
tools.call = type(tools).call.__get__(tools)
[attempt(tools.call, "add", {"a": 1, "b": 2}), seen]
