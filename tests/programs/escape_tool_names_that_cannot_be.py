# Calls tools by names that are too long, no text, or not encodable. The guest must refuse them by itself.
EXPECTED = [
    "ValueError", "ValueError", "ValueNotSendableError", "TypeError", "TypeError", "TypeError",
    "TypeError",
]
[attempt(call_tool, name, a=1, b=2) for name in ("x" * 129, "x" * 10_000_000, "\ud800", b"add", None, 7, ["add"])]
