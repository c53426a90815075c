# Opens paths of the host by openat2(2) with every flag of resolution. No descriptor may come out.
EXPECTED = ["ENOENT", "EINVAL", "EINVAL", "EINVAL", "EINVAL", "EINVAL", "EINVAL"]
how = (ctypes.c_uint64 * 3)(0, 0, 0)
path = ctypes.c_char_p(host_file.encode())
found = []
for resolve in (0, 1, 2, 4, 8, 16, 1 << 40):
    how[2] = resolve
    found.append(syscall(437, -100, path, how, 24))
found
