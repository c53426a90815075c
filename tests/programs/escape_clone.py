# Makes threads and processes by raw calls with all kinds of flags. All must be refused.
EXPECTED = [["EPERM"], "EPERM", "EPERM", "EPERM", "EACCES", "EACCES"]
memory = ctypes.create_string_buffer(4096)
flags = [0, 17, 0x100, 0x10F00, 0x3D0F00, 0x4111, -1]
[sorted({syscall(56, flag, memory, memory, 0, 0) for flag in flags}), syscall(435, memory, 88), syscall(57), syscall(58), syscall(59, memory, memory, memory), syscall(322, -100, memory, memory, memory, 0)]
