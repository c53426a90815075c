# Calls an address in the upper half, where a kernel would be.
ENDS = "GuestCrashError"
ctypes.CFUNCTYPE(None)(0xFFFF_8000_0000_1000)()
