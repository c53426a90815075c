# Loops and catches everything that could end it. The limit of time must.
ENDS = "TimeLimitError"
LIMITS = {"wall_time_s": 1.0}
while True:
    try:
        while True:
            pass
    except BaseException:
        continue
