# tarfile: write, list, extract, and compressed forms.
import io
import tarfile
import tempfile
from pathlib import Path

listing = []
for mode in ("gz", "bz2", "xz"):
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode=f"w:{mode}") as archive:
        info = tarfile.TarInfo("folder/file.txt")
        info.size, info.mtime, info.mode = 5, 1_700_000_000, 0o640
        archive.addfile(info, io.BytesIO(b"hello"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "folder/file.txt"
        archive.addfile(link)
    memory.seek(0)
    with tarfile.open(fileobj=memory) as archive:
        listing.append([(m.name, m.size, m.isfile(), oct(m.mode)) for m in archive])
        print(mode, archive.extractfile("folder/file.txt").read(), archive.getmember("link").linkname)
        with tempfile.TemporaryDirectory() as folder:
            archive.extract("folder/file.txt", folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
            extracted = Path(folder, "folder/file.txt")
            print(extracted.read_text(), int(extracted.stat().st_mtime))
try:
    tarfile.open(fileobj=io.BytesIO(b"x" * 600))
except tarfile.ReadError as error:
    print(type(error).__name__)
listing[0]
