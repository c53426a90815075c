# Rings the doorbells of the VM from code of its own, with what no kernel would say. The guest must fault.
ENDS = "GuestCrashError"
import mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(b"\x66\xba\x65\x00\xb8\xff\xff\xff\xff\xef\xc3")  # mov dx, 101; mov eax, -1; out dx, eax; ret
ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
