# Writes settings of the kernel below /proc/sys and /sys. All must be refused, whether the file is there or not.
EXPECTED = [["EROFS", "EROFS", "EROFS", "EACCES", "EROFS"], ["EACCES"], "EROFS", "EROFS"]
paths = ["kernel/core_pattern", "kernel/modprobe", "kernel/randomize_va_space", "vm/overcommit_memory", "fs/suid_dumpable"]
found = [attempt(open, f"/proc/sys/{path}", "w") for path in paths]
tree = [os.path.join(place, name) for place, _, names in os.walk("/proc/sys") for name in names]
[found, sorted({attempt(open, path, "w") for path in tree}), attempt(open, "/proc/sysrq-trigger", "w"), attempt(open, "/sys/kernel/uevent_helper", "w")]
