# Returns objects instead of data, nested where a check could miss them. Each must be an error with its path.
EXPECTED = [
    'ValueNotSendableError: result[0]["a"][1][2]: cannot send a type', b"eplain", b"\xa1aa\x01",
    "ValueNotSendableError: result: cannot send a function",
    "ValueNotSendableError: result: cannot send a module",
]
import hypercell_guest.codec as codec
class Text(str):
    def __str__(self):
        return "taken"
class Map(dict):
    def items(self):
        return [("a", object())]
def kind(value):
    try:
        return codec.encode(value, "result", 1 << 20)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
[kind([{"a": (1, {2: object})}]), kind(Text("plain")), kind(Map(a=1)), kind(lambda: 1), kind(os)]
