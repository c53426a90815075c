# Asks for ports, descriptors of segments and a new mode of the processor. All must be refused.
EXPECTED = ["EPERM", "EPERM", "ENOSYS", "ENOSYS", "EPERM"]
memory = ctypes.create_string_buffer(4096)
[syscall(172, 3), syscall(173, 0, 65536, 1), syscall(154, 1, memory, 16), syscall(205, memory), syscall(169, 0xFEE1DEAD, 672274793, 0x1234567)]
