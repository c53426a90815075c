# Calls address 0.
ENDS = "GuestCrashError"
ctypes.CFUNCTYPE(None)(0x10)()
