# Writes frames whose length says more or less than there is, up to four gigabytes. The kernel must refuse each.
EXPECTED = ["EINVAL"]
import struct
device = os.open("/dev/hypercell", os.O_RDWR)
lengths = [0, 2, 1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF0]
sorted({attempt(os.write, device, struct.pack("<IHHII", 0x4C454348, 1, 0x103, length, 0) + b"\xa0") for length in lengths})
