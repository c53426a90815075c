# zipfile: write and read archives in memory and in a file, list, test, damaged data.
import io
import tempfile
import zipfile
from pathlib import Path

memory = io.BytesIO()
with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
    info = zipfile.ZipInfo("dir/hello.txt", (2024, 2, 29, 12, 0, 0))
    archive.writestr(info, "hello " * 50, compress_type=zipfile.ZIP_DEFLATED)
    archive.writestr("data.bin", bytes(100))
    archive.comment = b"made by a test"
with zipfile.ZipFile(memory) as archive:
    for entry in archive.infolist():
        print(entry.filename, entry.file_size, entry.CRC, entry.compress_size < entry.file_size)
    print(archive.testzip(), archive.comment, archive.read("dir/hello.txt")[:11])
    with archive.open("data.bin") as f:
        print(len(f.read()))
with tempfile.TemporaryDirectory() as folder:
    target = Path(folder, "out.zip")
    target.write_bytes(memory.getvalue())
    with zipfile.ZipFile(target) as archive:
        archive.extractall(Path(folder, "out"))
        print(sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*")))
        print(zipfile.Path(archive, "dir/").joinpath("hello.txt").read_text()[:5])
try:
    zipfile.ZipFile(io.BytesIO(b"nothing"))
except zipfile.BadZipFile as error:
    print(error)
[zipfile.is_zipfile(io.BytesIO(memory.getvalue())), info.date_time]
