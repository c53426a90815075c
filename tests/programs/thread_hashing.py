# Functions that let others run while they compute give the right answers beside each other.
import hashlib
import threading
import zlib

data = bytes(range(256)) * 4000
results = {}


def digest(name):
    results[name] = hashlib.new(name, data).hexdigest()[:16]


def pack(level):
    results[level] = zlib.crc32(zlib.decompress(zlib.compress(data, level)))


threads = [threading.Thread(target=digest, args=(name,)) for name in ("sha256", "sha512", "blake2b", "md5")]
threads += [threading.Thread(target=pack, args=(level,)) for level in (1, 6, 9)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sorted(results.items(), key=str)
