# Calls tools that were not given, by names that look alike. None may be called.
EXPECTED = ["ToolError"]
names = ["Add", "ADD", "add ", " add", "add\0", "add\0x", "a\u0501d", "\uff41\uff44\uff44", "ad\u0064\u200b", "add\n", "__class__", "add.__globals__", "../add", "eval", "open", "os.system", "", "x" * 128]
sorted({attempt(call_tool, name, a=1, b=2) for name in names})
