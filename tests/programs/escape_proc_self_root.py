# Leaves through the links of /proc/self. They must lead to the guest's own root, directory and program.
EXPECTED = [{"root": "/", "cwd": "/tmp"}, True, "ENOENT", "ENOENT"]
links = {name: os.readlink(f"/proc/self/{name}") for name in ("root", "cwd")}
exe = os.readlink("/proc/self/exe")
[links, exe.startswith("/python/"), attempt(open, "/proc/self/root" + host_file), attempt(open, "/proc/self/cwd/.." + host_file)]
