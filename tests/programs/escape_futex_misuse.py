# Waits and wakes at addresses that are not the program's, and with numbers that make no sense. All must be refused.
EXPECTED = ["EFAULT", "EFAULT", "EFAULT", "EINVAL", "EINVAL", "EAGAIN", "EINVAL", "EFAULT", "ENOSYS", 0, 0]
word = ctypes.c_uint32(7)
kernel, nowhere = ctypes.c_void_p(0x7000_1000), ctypes.c_void_p(1 << 62)
at = ctypes.byref(word)
odd = ctypes.c_void_p(ctypes.addressof(word) + 1)
bad_time = (ctypes.c_long * 2)(-1, 0)
[
    syscall(202, kernel, 0, 0, 0, 0, 0), syscall(202, nowhere, 0, 0, 0, 0, 0), syscall(202, ctypes.c_void_p(0), 0, 0, 0, 0, 0),
    syscall(202, odd, 0, 7, 0, 0, 0), syscall(202, at, 9, 7, 0, 0, 0), syscall(202, at, 0, 8, 0, 0, 0),
    syscall(202, at, 0, 7, bad_time, 0, 0), syscall(202, at, 0, 7, nowhere, 0, 0), syscall(202, at, 6, 7, 0, 0, 0),
    syscall(202, at, 1, -1, 0, 0, 0), syscall(202, at, 3, -1, 1 << 30, at, 0),
]
