# Sends objects whose pickles or methods would run code on the host. They must not cross.
EXPECTED = ["ValueNotSendableError", "TypeError", "ValueNotSendableError", 3]
import pickle
class Gadget:
    def __reduce__(self):
        return os.system, ("touch /tmp/taken",)
class Number(int):
    def __reduce__(self):
        return os.system, ("touch /tmp/taken",)
    def __add__(self, other):
        return "taken"
[attempt(call_tool, "add", a=Gadget(), b=1), attempt(call_tool, "add", a=pickle.dumps(Gadget()), b=1), attempt(call_tool, "add", a=len, b=1), call_tool("add", a=Number(1), b=Number(2))]
