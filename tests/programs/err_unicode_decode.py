# Bytes that are not text.
# raises: UnicodeDecodeError
data = b"caf\xe9 \xff"
print(data.decode("latin-1"), data.decode("utf-8", "replace"))
data.decode("utf-8")
