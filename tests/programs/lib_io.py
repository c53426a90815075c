# io: text and byte layers, buffering, newlines, encodings, in memory.
import io

raw = io.BytesIO("première ligne\r\nsecond\nthird\r".encode())
text = io.TextIOWrapper(raw, encoding="utf-8", newline=None)
print(text.readlines(), text.newlines)
buffered = io.BufferedReader(io.BytesIO(bytes(range(20))), buffer_size=4)
print(buffered.peek(2)[:2], buffered.read(3), buffered.read1(2), buffered.tell(), buffered.seek(-2, 2), buffered.read())
memory = io.StringIO("abc\ndef", newline="\n")
memory.seek(0, io.SEEK_END)
memory.write("!")
print(repr(memory.getvalue()), memory.seekable(), [line for line in io.StringIO("x\ny")])
target = bytearray(4)
print(io.BytesIO(b"abcdef").readinto(target), target)


class Upper(io.RawIOBase):
    def __init__(self):
        self.parts = []

    def writable(self):
        return True

    def write(self, data):
        self.parts.append(bytes(data).upper())
        return len(data)


upper = Upper()
with io.TextIOWrapper(io.BufferedWriter(upper), encoding="ascii", errors="replace", write_through=False) as stream:
    print("hé", "llo", file=stream)
errors = []
for bad in (lambda: io.BytesIO().read("x"), lambda: stream.write("closed"), lambda: io.StringIO().fileno(), lambda: io.TextIOWrapper(io.BytesIO(b"\xff"), "utf-8").read()):
    try:
        bad()
    except (TypeError, ValueError, OSError) as error:
        errors.append(f"{type(error).__name__}: {error}")
print("\n".join(errors))
[upper.parts, buffered.closed, io.DEFAULT_BUFFER_SIZE > 0]
