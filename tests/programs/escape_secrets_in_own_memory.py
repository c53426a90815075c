# Searches all of its memory for the secret of the host's environment and file, whose beginning it knows.
EXPECTED = [0, True]
import re
pattern, found, scanned = re.compile(b"host-s[e]cret-[0-9a-f]{10}"), 0, 0
for line in open("/proc/self/maps"):
    words = line.split()
    low, high = (int(end, 16) for end in words[0].split("-"))
    if words[1].startswith("r"):
        scanned += 1
        found += len(pattern.findall(ctypes.string_at(low, high - low)))
[found, scanned > 50]
