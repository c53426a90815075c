# Runs machine code of its own: a privileged instruction. The guest must fault, the host must say so and go on.
ENDS = "GuestCrashError"
import mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(b"\x0f\x22\xd8\xc3")  # mov cr3, rax; ret
ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
