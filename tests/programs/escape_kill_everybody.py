# Kills every process that it may. That is itself, and the host must say so.
ENDS = "GuestCrashError"
os.kill(-1, 9)
os.kill(1, 9)
