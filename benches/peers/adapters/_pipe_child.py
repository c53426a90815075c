"""What runs in a plain interpreter at the other end of two pipes: takes programs, calls tools, gives the answer back.

One JSON object a line each way. It is read as text and given to `python -c`, so it imports what every build has.
"""

import io
import json
import sys

_replies, _requests = sys.stdin, sys.stdout


def _send(message):
    _requests.write(json.dumps(message) + "\n")
    _requests.flush()


def _tool(name):
    def call(**arguments):
        _send({"call": name, "arguments": arguments})
        reply = json.loads(_replies.readline())
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply["value"]

    return call


_globals = {"__name__": "__main__"}
for _line in _replies:
    _order = json.loads(_line)
    _globals.update({name: _tool(name) for name in _order["tools"]})
    sys.stdout = io.StringIO()
    try:
        exec(_order["body"], _globals)
        _send({"value": eval(_order["answer"], _globals), "stdout": sys.stdout.getvalue()})
    except BaseException as error:
        _send({"failed": f"{type(error).__name__}: {error}"})
