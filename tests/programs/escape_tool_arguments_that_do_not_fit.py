# Gives the tool arguments that its signature does not have. It must not be called with them.
EXPECTED = [
    "TypeError", "TypeError", "TypeError", "TypeError", "TypeError", "TypeError", "TypeError",
    "TypeError", "TypeError",
]
[
    attempt(call_tool, "add"),
    attempt(call_tool, "add", a=1),
    attempt(call_tool, "add", a=1, b="2"),
    attempt(call_tool, "add", a=1, b=2, c=3),
    attempt(call_tool, "add", a=[1], b={}),
    attempt(call_tool, "add", a=True, b=None),
    attempt(call_tool, "add", **{"a": 1, "b": 2, "__class__": 3}),
    attempt(call_tool, "add", a=1.5, b=float("nan")),
    attempt(call_tool, "add", 1, 2, 3),
]
