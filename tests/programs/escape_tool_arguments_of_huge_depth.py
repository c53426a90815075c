# Sends arguments that are deep, endless, wide or huge. Each must be refused before the host holds it.
EXPECTED = [
    "ValueNotSendableError", "ValueNotSendableError", "ValueNotSendableError", "ToolError",
    "ValueNotSendableError", "ValueNotSendableError",
]
deep = 0
for _ in range(100_000):
    deep = [deep]
endless = []
endless.append(endless)
found = [attempt(call_tool, "add", a=one, b=1) for one in (deep, endless, [0] * 1_000_001, bytes(2 << 20), 1 << 600_000, {endless.__len__: 1})]
while isinstance(deep, list):
    deep = deep.pop()
found
