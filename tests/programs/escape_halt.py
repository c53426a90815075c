# Stops the processor by `hlt`. The guest must fault; the host must not wait for ever.
ENDS = "GuestCrashError"
import mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(b"\xfa\xf4\xeb\xfc")  # cli; hlt; jmp -4
ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
