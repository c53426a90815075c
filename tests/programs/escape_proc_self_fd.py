# Reopens its descriptors and those of others through /proc/self/fd. Only its own may be there.
EXPECTED = [True, "ENOENT", "ENOENT", "ENOENT", "ENOENT"]
own = ("/dev/null", "pipe:[", "/dev/hypercell", "/memfd", "/proc/")
paths = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
targets = [os.readlink(path) for path in paths if os.path.islink(path)]  # the listing's own is gone
tricks = ["/proc/self/fd/0/../../../..", "/proc/self/fd/9", "/proc/self/fd/-1", "/proc/self/fd/99999999999999999999", "/proc/self/fd/+1"]
[bool(targets) and all(target.startswith(own) for target in targets)] + [attempt(os.stat, path) for path in tricks[1:]]
