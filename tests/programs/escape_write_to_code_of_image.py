# Writes into the mapped program without making it writable, which kills the run as a fault would on Linux.
ENDS = "GuestCrashError"
lines = [line.split() for line in open("/proc/self/maps")]
low = next(int(line[0].split("-")[0], 16) for line in lines if line[1] == "r-xp")
ctypes.memset(low, 0xCC, 4096)
