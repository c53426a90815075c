# Makes processes by raw calls with all kinds of flags. All must be refused.
EXPECTED = [["EPERM"], "EINVAL", "EPERM", "EPERM", "EACCES", "EACCES"]
memory = ctypes.create_string_buffer(4096)
flags = [0, 17, 0x100, 0x4111, 0x10E00, 0x10D00, 0x2_0001_0F00, 0x10F00 | 0x4000, 0x10F00 | 0x2000_0000, -1]
[sorted({syscall(56, flag, memory, memory, 0, 0) for flag in flags}), syscall(435, memory, 8), syscall(57), syscall(58), syscall(59, memory, memory, memory), syscall(322, -100, memory, memory, memory, 0)]
