# Maps, grows and unmaps more memory than there is, in sizes that overflow. All must be refused.
EXPECTED = [
    ["EINVAL", "ENOMEM", "ENOMEM", "ENOMEM", "ENOMEM", "ENOMEM"],
    ["EINVAL", "ENOMEM", "ENOMEM", "ENOMEM", "EINVAL", "ENOMEM"],
    ["EINVAL", "EINVAL", "EINVAL", "EINVAL", "EINVAL"],
]
sizes = [0, 1 << 40, 1 << 47, 1 << 62, -1, -4096]
found = [syscall(9, 0, size, 3, 0x22, -1, 0) for size in sizes]
page = syscall(9, 0, 4096, 3, 0x22, -1, 0)
[found, [syscall(25, page, 4096, size, 1, 0) for size in sizes], [syscall(11, page, size) for size in (0, 1 << 47, 1 << 62, -1, -4096)]]
