# Leaves trace and profile functions that change what the runner does at the end. They must not see it.
EXPECTED = "honest"
import sys
seen = []
def trace(frame, event, argument):
    seen.append(frame.f_code.co_filename)
    if "hypercell_guest" in frame.f_code.co_filename:
        frame.f_locals["value"] = "forged"
    return trace
sys.settrace(trace)
sys.setprofile(trace)
frame = sys._getframe()
while frame is not None:
    frame.f_trace = trace
    frame = frame.f_back
"honest"
