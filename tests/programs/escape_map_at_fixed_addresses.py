# Maps memory at address 0, over the kernel and outside the address space with MAP_FIXED. All must be refused.
EXPECTED = {
    "null": "ENOMEM", "low": "ENOMEM", "odd": "EINVAL", "top": "ENOMEM", "hole": "ENOMEM",
    "kernel": "ENOMEM", "last": "ENOMEM",
}
addresses = {"null": 0, "low": 0x1000, "odd": 0x7F0000000123, "top": 0x7FFFFFFFF000, "hole": 1 << 47, "kernel": 0xFFFF800000000000 - 2**64, "last": -4096}
{name: syscall(9, address, 4096, 3, 0x32, -1, 0) for name, address in addresses.items()}
