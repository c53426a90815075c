# Makes pages of the kernel writable and executable by mprotect. All must be refused.
EXPECTED = ["ENOMEM", "ENOMEM", "ENOMEM", "ENOMEM", "ENOMEM", "ENOMEM", "EINVAL"]
addresses = [0, 0x1000, 0x200000, 0xFFFF800000000000 - 2**64, 0xFFFFFFFFFFFF3000 - 2**64, 0xFFFFFFFFFFFFD000 - 2**64, 123]
[syscall(10, address, 4096, 7) for address in addresses]
