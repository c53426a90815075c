# json: round trips, options, hooks, errors with positions.
import json
from decimal import Decimal

data = {"name": "Zoë", "n": [1, 2.5, None, True, float("inf")], "nested": {"b": 1, "a": {"x": []}}}
text = json.dumps(data, sort_keys=True)
print(text)
print(json.dumps(data, indent=2, ensure_ascii=False, separators=(",", ": ")))
print(json.loads('{"a": 1.10, "b": 2}', parse_float=Decimal, object_pairs_hook=list))
print(json.loads('"\\ud83d\\ude00 \\u00e9"'), json.dumps("\U0001f600\x00\u2028"))
messages = []
for bad in ("{", "[1,]", '{"a" 1}', "nul", '"\n"', "1 2"):
    try:
        json.loads(bad)
    except json.JSONDecodeError as error:
        messages.append(f"{error} | {error.pos}")
try:
    json.dumps({"s": {1, 2}})
except TypeError as error:
    messages.append(str(error))
try:
    loop = []
    loop.append(loop)
    json.dumps(loop)
except ValueError as error:
    messages.append(str(error))


class Encoder(json.JSONEncoder):
    def default(self, o):
        return sorted(o) if isinstance(o, set) else super().default(o)


print(json.dumps({"s": {3, 1, 2}}, cls=Encoder), "\n".join(messages), sep="\n")
json.loads(text) == data
