# Looks through /proc for processes of the host. There is process 1, which is the program itself, and nobody else.
EXPECTED = [["1"], 1, True, "ENOENT", "ENOENT", "ENOENT", "ENOENT", "ENOENT", "ENOENT"]
numbers = [name for name in os.listdir("/proc") if name.isdigit()]
paths = [f"/proc/{host_pid}/environ", f"/proc/{host_pid}/root", "/proc/2/maps", "/proc/1/root/root", "/proc/kcore", "/proc/kallsyms"]
same = open("/proc/1/environ", "rb").read() == open("/proc/self/environ", "rb").read()
[numbers, os.getpid(), same] + [attempt(os.stat, path) for path in paths]
