# What a program changes in modules is visible to it at once.
import builtins
import json
import sys
import types

builtins.shared_name = "from builtins"
print(shared_name)
json.extra = 5
sys.modules["made_up"] = types.ModuleType("made_up")
sys.modules["made_up"].answer = 42
from made_up import answer

sys.path.append("/somewhere")
[answer, json.extra, "/somewhere" in sys.path]
