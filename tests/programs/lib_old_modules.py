# Modules that later versions dropped, where this version still has them.
import importlib
import io
import sys
import warnings

warnings.simplefilter("ignore", DeprecationWarning)
seen = {}
for name in ("imghdr", "sndhdr", "uu", "cgi", "crypt", "chunk", "aifc", "audioop", "xdrlib", "pipes", "telnetlib", "nntplib", "asynchat", "imp", "distutils"):
    try:
        importlib.import_module(name)
        seen[name] = "here"
    except ModuleNotFoundError as error:
        seen[name] = str(error)
if seen["imghdr"] == "here":
    import imghdr

    print(imghdr.what(None, b"\x89PNG\r\n\x1a\n" + bytes(30)))
if seen["uu"] == "here":
    import uu

    out = io.BytesIO()
    uu.encode(io.BytesIO(b"hello"), out, "name", 0o644)
    print(out.getvalue())
if seen["audioop"] == "here":
    import audioop

    print(audioop.rms(b"\x01\x00\xff\x7f", 2))
seen
