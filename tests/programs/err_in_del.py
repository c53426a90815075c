# An exception in __del__ is reported on stderr and changes nothing else.
import io
import sys


class Fragile:
    def __del__(self):
        raise ValueError("in del")


seen = []
sys.unraisablehook = lambda info: seen.append((info.exc_type.__name__, str(info.exc_value)))
Fragile()
sys.unraisablehook = sys.__unraisablehook__
stderr, sys.stderr = sys.stderr, io.StringIO()
Fragile()
text, sys.stderr = sys.stderr.getvalue(), stderr
print(text.splitlines()[-1])
seen
