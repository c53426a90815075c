# Makes a system call through the 32-bit gate `int 0x80`. There is none.
ENDS = "GuestCrashError"
import mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(b"\xb8\x01\x00\x00\x00\xcd\x80\xc3")  # mov eax, 1; int 0x80; ret
ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
