# Matches an expression that takes for ever, inside one C function. The limit of time must end it.
ENDS = "TimeLimitError"
LIMITS = {"wall_time_s": 1.0}
import re
re.match(r"(a|a)*$", "a" * 64 + "b")
