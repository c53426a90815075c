# Reads and writes memory of other processes by process_vm_readv, process_vm_writev, kcmp and pidfds.
EXPECTED = [
    ["EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "ENOSYS", "ENOSYS", "ENOSYS", "ENOSYS", "ENOSYS", "ENOSYS", "ENOSYS", "ENOSYS"],
    True,
]
local = ctypes.create_string_buffer(64)
vector = (ctypes.c_uint64 * 2)(ctypes.addressof(local), 64)
calls = [(310, 6), (311, 6), (312, 5), (434, 2), (438, 3), (440, 5), (448, 2)]
found = [syscall(number, pid, vector, 1, vector, 1, 0) if number < 312 else syscall(number, pid, 0, 0, 0, 0) for number, _ in calls for pid in (1, host_pid)]
[found, local.raw == bytes(64)]
