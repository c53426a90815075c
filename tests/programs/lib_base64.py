# base64, binascii and quopri: the encodings and their errors.
import base64
import binascii
import quopri

data = bytes(range(0, 256, 17)) + "ü".encode()
for name in ("b16", "b32", "b64", "a85", "b85", "urlsafe_b64", "b32hex"):
    packed = getattr(base64, name + "encode")(data)
    print(name, packed.decode(), getattr(base64, name + "decode")(packed) == data)
print(binascii.hexlify(data, " ", 4), binascii.crc32(data), binascii.crc_hqx(data, 0), binascii.b2a_uu(b"hello"))
print(quopri.encodestring("naïve = ".encode() + b"x" * 80))
messages = []
for bad in (lambda: base64.b64decode("abc"), lambda: base64.b64decode("a*b=", validate=True), lambda: base64.b16decode("zz"), lambda: binascii.unhexlify("abc"), lambda: bytes.fromhex("0g")):
    try:
        bad()
    except (binascii.Error, ValueError) as error:
        messages.append(f"{type(error).__name__}: {error}")
print("\n".join(messages))
[base64.b64encode(data), messages[0]]
