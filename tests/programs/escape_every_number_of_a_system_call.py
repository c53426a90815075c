# Makes every system call with a number from 463 to 2047, negative ones and those of 32-bit mode. None may exist.
EXPECTED = ["ENOSYS"]
numbers = list(range(463, 2048)) + [-1, -2**31, -2**63, 2**31, 2**62, 0x40000000, 0x40000000 + 59]
memory = ctypes.create_string_buffer(4096)
sorted({str(syscall(number, memory, 1, 2, 3, 4)) for number in numbers})
