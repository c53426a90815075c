# Gives system calls addresses of the kernel, of nothing and beyond the address space. The kernel must say EFAULT.
EXPECTED = {
    "read": ["EFAULT"], "write": ["EFAULT"], "open": ["EFAULT"], "fstat": ["EFAULT"],
    "getcwd": ["EFAULT"], "uname": ["EFAULT"], "getrandom": ["EFAULT"], "clock_gettime": ["EFAULT"],
}
addresses = [0, 8, 0xFFFF_8000_0000_0000 - 2**64, -4096, -1, 0x0000_8000_0000_0000, 0x7FFF_FFFF_FFFF_F000, 0x10]
out = os.open("/tmp/out", os.O_RDWR | os.O_CREAT)
zero = os.open("/dev/zero", os.O_RDONLY)
calls = {
    "read": lambda a: syscall(0, zero, a, 8),
    "write": lambda a: syscall(1, out, a, 8),
    "open": lambda a: syscall(2, a, 0, 0),
    "fstat": lambda a: syscall(5, out, a),
    "getcwd": lambda a: syscall(79, a, 8),
    "uname": lambda a: syscall(63, a),
    "getrandom": lambda a: syscall(318, a, 8, 0),
    "clock_gettime": lambda a: syscall(228, 0, a),
}
{name: sorted({str(call(address)) for address in addresses}) for name, call in calls.items()}
