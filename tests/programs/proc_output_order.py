# Text through sys.stdout, its buffer, and descriptor 1 keeps its order when flushed.
import os
import sys

print("one")
sys.stdout.flush()
os.write(1, b"two\n")
sys.stdout.buffer.write("three é\n".encode())
sys.stdout.buffer.flush()
print("four", end="")
print("", flush=True)
os.write(2, b"error one\n")
print("error two", file=sys.stderr, flush=True)
old, sys.stdout = sys.stdout, sys.stderr
print("error three")
sys.stdout = old
with os.fdopen(os.dup(1), "w") as copy:
    copy.write("five\n")
print("six")
os.write(1, b"")
