# An exception with a long message of many lines.
# raises: ValueError
raise ValueError("\n".join(f"line {n}: " + "x" * 50 for n in range(100)))
