# Reserves all addresses, cuts them into as many areas as there can be, and touches more than there is. The kernel keeps at
# most 65,530 areas, and the touch must end the run by its memory limit.
ENDS = "MemoryLimitError"
LIMITS = {"memory_bytes": 67_108_864}
length = 1 << 38
reserved = syscall(9, 0, length, 0, 0x4022, -1, 0)
cuts = 0
while syscall(10, reserved + cuts * 8192, 4096, 1) == 0:
    cuts += 1
if syscall(10, reserved, length, 1) == 0 or not 30_000 < cuts < 65_530:
    raise AssertionError(cuts)
syscall(11, reserved, length)
syscall(11, reserved, 16384)
open_memory = syscall(9, 0, 1 << 37, 3, 0x4022, -1, 0)
for page in range(0, 1 << 37, 1 << 21):
    ctypes.memset(open_memory + page, 1, 1)
