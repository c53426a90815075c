# Writes memory of the kernel to a file by write(2), from every page table alias and the scratch of the link.
EXPECTED = [["EFAULT", "EFAULT", "EFAULT", "EFAULT", "EFAULT", "EFAULT"], 0]
out = os.open("/tmp/out", os.O_RDWR | os.O_CREAT)
addresses = [0xFFFF_FFFF_FFFF_3000, 0xFFFF_FFFF_FFFF_4000, 0xFFFF_FFFF_FFFF_D000, 0xFFFF_FFFF_FFFF_F000, 0x1000, 0x200000]
found = [syscall(1, out, address - 2**64 if address >> 63 else address, 4096) for address in addresses]
[found, os.fstat(out).st_size]
