# Traces itself and other processes in every way that ptrace knows. All must be refused.
EXPECTED = ["EPERM"]
requests = [0, 1, 2, 4, 5, 16, 0x4206, 0x4200]
sorted({syscall(101, request, pid, 0, 0) for request in requests for pid in (0, 1, 2, host_pid, -1)})
