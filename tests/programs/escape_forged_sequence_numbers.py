# Calls the given tool by a frame with a wrong sequence number. The kernel numbers frames itself: one answer, to this call.
EXPECTED = [b"HCEL", b"\xa2bid\x07bok\x03"]
import struct
body = b"\xa4bid\x07dnamecadddargs\xa2aa\x01ab\x02dline\xf6"
device = os.open("/dev/hypercell", os.O_RDWR)
os.write(device, struct.pack("<IHHII", 0x4C454348, 1, 0x103, len(body), 0xDEADBEEF) + body)
answer = os.read(device, 4000)
[answer[:4], answer[16:]]
