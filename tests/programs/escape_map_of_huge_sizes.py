# Maps, grows and unmaps more memory than there is, in sizes that overflow, reserved or not. All must be refused.
EXPECTED = [
    ["EINVAL", "ENOMEM", "ENOMEM", "ENOMEM", "ENOMEM", "ENOMEM"],
    ["EINVAL", "ENOMEM", "ENOMEM", "ENOMEM", "ENOMEM", "ENOMEM"],
    ["EINVAL", "ENOMEM", "ENOMEM", "ENOMEM", "ENOMEM", "ENOMEM"],
    ["EINVAL", "ENOMEM", "ENOMEM", "ENOMEM", "EINVAL", "ENOMEM"],
    ["EINVAL", "ENOMEM", "ENOMEM", "ENOMEM", "EINVAL", "ENOMEM"],
    ["EINVAL", "EINVAL", "EINVAL", "EINVAL", "EINVAL"],
    ["ENOMEM", "ENOMEM", "ENOMEM", "ENOMEM"],
]
sizes = [0, 1 << 40, 1 << 47, 1 << 62, -1, -4096]
ways = {"plain": (3, 0x22), "unreserved": (3, 0x4022), "closed": (0, 0x22)}
found = [[syscall(9, 0, size, *way, -1, 0) for size in sizes] for way in ways.values()]
pages = [syscall(9, 0, 4096, *ways[way], -1, 0) for way in ("plain", "unreserved")]
found += [[syscall(25, page, 4096, size, 1, 0) for size in sizes] for page in pages]
found += [[syscall(11, pages[0], size) for size in (0, 1 << 47, 1 << 62, -1, -4096)]]
found + [[syscall(10, pages[0], size, 3) for size in (1 << 40, 1 << 62, -1, -4096)]]
