# Moves the stack pointer to nothing and pushes. The guest must fault, also without a stack for the handler.
ENDS = "GuestCrashError"
import mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(b"\x31\xe4\x50\xc3")  # xor esp, esp; push rax; ret
ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
