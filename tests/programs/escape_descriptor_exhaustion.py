# Opens files until there are no descriptors. It must be EMFILE, and output and tools must go on.
EXPECTED = ["EMFILE", True, "EMFILE", 3, "EBADF", "EBADF"]
kept = []
def fill():
    while True:
        kept.append(os.open("/dev/null", os.O_RDONLY))
full = attempt(fill)
found = [full, 900 < len(kept) < 1024, attempt(os.pipe), add(a=1, b=2), attempt(os.dup2, 0, 1 << 30), attempt(os.dup2, 0, -5)]
for one in kept:
    os.close(one)
found
