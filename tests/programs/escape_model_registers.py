# Reads a model-specific register of the processor. The guest must fault.
ENDS = "GuestCrashError"
import mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(b"\xb9\x10\x00\x00\x00\x0f\x32\xc3")  # mov ecx, 0x10; rdmsr; ret
ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
