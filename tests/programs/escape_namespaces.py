# Leaves or makes namespaces by unshare, setns and clone flags. All must be refused.
EXPECTED = [{"EPERM"}, {"EPERM"}, {"EPERM"}, "ENOENT"]
flags = {"user": 0x10000000, "mount": 0x20000, "net": 0x40000000, "pid": 0x20000000, "uts": 0x4000000, "cgroup": 0x2000000}
unshared = {syscall(272, flag) for flag in flags.values()}
joined = {syscall(308, 0, flag) for flag in flags.values()}
cloned = {syscall(56, flag | 17, 0, 0, 0, 0) for flag in flags.values()}
[unshared, joined, cloned, attempt(os.listdir, "/proc/self/ns")]
