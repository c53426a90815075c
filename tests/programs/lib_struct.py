# struct: packing in all byte orders, iteration, errors.
import struct

packed = struct.pack("<IhbQd?4s", 0xDEADBEEF, -2, -1, 2**63, 1.5, True, b"ab")
print(packed.hex(), struct.unpack("<IhbQd?4s", packed), struct.calcsize("<IhbQd?4s"), struct.calcsize("@bQ"))
print(struct.pack(">e", 1.0).hex(), struct.pack("!f", 3.14).hex(), struct.unpack(">3H", b"\0\1\0\2\0\3"))
print([v for (v,) in struct.iter_unpack("<H", bytes(range(6)))])
header = struct.Struct("!2sBx")
buffer = bytearray(8)
header.pack_into(buffer, 2, b"HC", 7)
print(bytes(buffer), header.unpack_from(buffer, 2), header.size)
messages = []
for bad in (lambda: struct.pack("B", 256), lambda: struct.unpack("I", b"abc"), lambda: struct.pack("z", 1), lambda: struct.pack("h", "x")):
    try:
        bad()
    except struct.error as error:
        messages.append(str(error))
messages
