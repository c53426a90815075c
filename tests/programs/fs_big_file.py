# An 8 MiB file written in pieces, read back whole and by parts, copied and cut.
import hashlib
import os
import tempfile

with tempfile.NamedTemporaryFile() as f:
    block = bytes(range(256)) * 256
    for n in range(128):
        f.write(block)
    f.flush()
    size = os.path.getsize(f.name)
    with open(f.name, "rb") as again:
        digest = hashlib.sha256(again.read()).hexdigest()
    parts = hashlib.sha256()
    with open(f.name, "rb", buffering=0) as again:
        while piece := again.read(100_000):
            parts.update(piece)
    print(size, digest == parts.hexdigest(), digest)
    f.seek(4_000_003)
    print(f.read(4).hex())
    with tempfile.TemporaryFile() as copy:
        sent = 0
        while sent < size:
            sent += os.sendfile(copy.fileno(), f.fileno(), sent, size - sent)
        copy.seek(-3, 2)
        print(sent, copy.read().hex())
    f.truncate(1_000_000)
    left = os.path.getsize(f.name)
[size, digest, left]
