# Reopens its descriptors and those of others through /proc/self/fd. Only its own may be there.
EXPECTED = [True, "ENOENT", "ENOENT", "ENOENT", "ENOENT"]
names = sorted(int(name) for name in os.listdir("/proc/self/fd"))
allowed = {0, 1, 2, 3, 1021}
tricks = ["/proc/self/fd/0/../../../..", "/proc/self/fd/9", "/proc/self/fd/-1", "/proc/self/fd/99999999999999999999", "/proc/self/fd/+1"]
[set(names) <= allowed] + [attempt(os.stat, path) for path in tricks[1:]]
