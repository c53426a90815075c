# Output without a line end before an exception is kept.
# raises: ValueError
import sys

print("half a line", end="")
sys.stderr.write("half an error")
raise ValueError("after output")
