# Hunts the objects of the guest's own modules for tools that were not given. The host decides, not these objects.
EXPECTED = [[], "ToolError", 3, ["add"]]
import gc
import sys
frame = sys._getframe()
while "request" not in frame.f_locals or type(frame.f_locals.get("self")).__name__ != "Runner":
    frame = frame.f_back
tools = frame.f_locals["self"]._tools
names = {type(one).__name__ for one in gc.get_objects()}
[
    sorted(names & {"Tools", "Channel", "Runner"}),
    attempt(tools.call, "secret", {}),
    tools.call("add", {"a": 1, "b": 2}),
    sorted(name for name, _ in frame.f_locals["request"]["tools"]),
]
