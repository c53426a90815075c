# glob and pathlib: patterns, recursion, reading, writing, renaming, comparing paths.
import glob
import os
import tempfile
from pathlib import Path

base = Path(tempfile.mkdtemp())
os.chdir(base)
for name in ("a.txt", "b.txt", "c.py", ".hidden", "d/e.txt", "d/f/g.txt", "d/f/h.py", "x[1].txt"):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(name.upper())
print(sorted(glob.glob("*.txt")), sorted(glob.glob("**/*.txt", recursive=True)), glob.glob(glob.escape("x[1].txt")))
print(sorted(str(p) for p in Path(".").rglob("*.py")), sorted(p.name for p in Path("d").iterdir()))
print(sorted(glob.glob("[ab].*")), sorted(glob.glob("d/*/")), sorted(glob.iglob("?.txt")))
path = base / "d" / "f" / "g.txt"
print(path.read_text(), path.stem, path.suffix, path.relative_to(base), path.is_file(), path.parent.is_dir())
path.write_bytes(b"\x00\xff")
print(path.read_bytes(), path.stat().st_size)
moved = path.rename(base / "moved")
print(moved.name, path.exists(), moved.exists(), moved.samefile(base / "d" / ".." / "moved"))
(base / "replaced").write_text("old")
moved.replace(base / "replaced")
print((base / "replaced").read_bytes())
(base / "touched").touch()
print((base / "touched").stat().st_size, (base / "d").resolve() == (base.resolve() / "d"))
for bad in (lambda: Path("none").read_text(), lambda: Path("d").unlink(), lambda: Path("d").rmdir(), lambda: Path("d").mkdir()):
    try:
        bad()
    except OSError as error:
        print(type(error).__name__, error.filename)
Path("none").unlink(missing_ok=True)
with open("d/lines", "w", newline="") as f:
    f.write("one\r\ntwo\n")
[Path("d/lines").read_text().splitlines(), sorted(p.as_posix() for p in Path("d").glob("**/*"))]
