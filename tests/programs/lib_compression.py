# zlib, gzip, bz2 and lzma: round trips, streams, damaged data.
import bz2
import gzip
import io
import lzma
import zlib

text = b"compress me, please. " * 200
for module in (zlib, gzip, bz2, lzma):
    packed = module.compress(text)
    print(module.__name__, len(packed) < 200, module.decompress(packed) == text)
print(zlib.crc32(text), zlib.adler32(text), zlib.decompressobj().decompress(zlib.compress(text), 21))
stream = io.BytesIO()
with gzip.GzipFile("name.txt", "wb", fileobj=stream, mtime=0) as f:
    f.write(text)
stream.seek(0)
with gzip.open(stream, "rt") as f:
    print(f.read(20))
compressor = lzma.LZMACompressor(format=lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 6}])
raw = compressor.compress(text) + compressor.flush()
del compressor  # which holds 94 MiB
print(lzma.decompress(raw, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2}]) == text)
step = bz2.BZ2Decompressor()
packed = bz2.compress(text)
print(sum(len(step.decompress(packed[i : i + 10])) for i in range(0, len(packed), 10)), step.eof)
errors = []
for module, error_type in ((zlib, zlib.error), (gzip, gzip.BadGzipFile), (bz2, OSError), (lzma, lzma.LZMAError)):
    try:
        module.decompress(b"not compressed data")
    except error_type as error:
        errors.append(f"{module.__name__}: {error}")
errors
