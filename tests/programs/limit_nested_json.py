# Parsing and printing structures deeper than the interpreter's limit raises RecursionError.
import json
import sys

deep = "[" * 100_000 + "]" * 100_000
seen = []
for action in (lambda: json.loads(deep), lambda: eval("(" * 200 + ")" * 200), lambda: compile("-" * 100_000 + "1", "deep", "eval")):
    try:
        action()
        seen.append("fine")
    except (RecursionError, SyntaxError, MemoryError) as error:
        seen.append(type(error).__name__)
nested = []
for _ in range(100_000):
    nested = [nested]
try:
    repr(nested)
except RecursionError as error:
    seen.append(str(error).split(" (used")[0][:32])
del nested
seen
