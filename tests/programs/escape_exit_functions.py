# Leaves code for after the run: atexit, __del__, weak references, exception hooks, an exit status of its own.
EXPECTED = "value"
import atexit, sys, weakref
class Late:
    def __del__(self):
        os.write(1, b"late")
        call_tool("secret")
late = Late()
late.self = late
atexit.register(lambda: call_tool("secret"))
weakref.finalize(Late(), call_tool, "secret")
sys.excepthook = sys.unraisablehook = lambda *arguments: None
"value"
