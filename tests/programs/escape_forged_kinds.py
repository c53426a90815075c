# Writes a frame of every kind that only the host or the kernel may send. The kernel must refuse each.
EXPECTED = ["EINVAL"]
import struct
device = os.open("/dev/hypercell", os.O_RDWR)
kinds = [*range(0, 8), *range(0x20, 0x24), *range(0x81, 0x84), 0x90, *range(0x181, 0x185), 0x190, 0xFFFF]
sorted({attempt(os.write, device, struct.pack("<IHHII", 0x4C454348, 1, kind, 1, 0) + b"\xa0") for kind in kinds})
