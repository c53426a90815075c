# pathlib: pure paths, and files through Path objects.
import tempfile
from pathlib import Path, PurePosixPath, PureWindowsPath

p = PurePosixPath("/data/in/archive.tar.gz")
print(p.name, p.stem, p.suffixes, p.parent, p.parts, p.with_suffix(".xz"), p.relative_to("/data"), p / "x" / "/abs")
print(PureWindowsPath(r"C:\a\b").as_posix(), p.match("*.gz"), p.is_relative_to("/data"), PurePosixPath("a/../b"))
with tempfile.TemporaryDirectory() as folder:
    root = Path(folder)
    (root / "a/b").mkdir(parents=True)
    (root / "a/one.txt").write_text("één\n", encoding="utf-8")
    (root / "a/b/two.bin").write_bytes(b"\x00\x01")
    (root / "link").symlink_to("a/one.txt")
    print(sorted(x.relative_to(root).as_posix() for x in root.rglob("*")))
    print((root / "link").read_text(encoding="utf-8"), (root / "link").resolve() == (root / "a/one.txt").resolve(), (root / "link").is_symlink())
    (root / "a/one.txt").rename(root / "moved.txt")
    print((root / "link").exists(), (root / "moved.txt").stat().st_size, sorted(x.name for x in root.iterdir()))
    for bad in (lambda: (root / "a").mkdir(), lambda: (root / "none").read_text(), lambda: (root / "a").rmdir(), lambda: (root / "a").write_text("x")):
        try:
            bad()
        except OSError as error:
            print(type(error).__name__, error.errno, error.strerror)
    (root / "moved.txt").unlink()
    (root / "gone").unlink(missing_ok=True)
[str(p.parent), p.as_uri(), Path("~").expanduser() != Path("~")]
