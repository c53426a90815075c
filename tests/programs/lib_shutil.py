# shutil, glob and fnmatch: trees copied, moved, packed, found and removed.
import fnmatch
import glob
import os
import shutil
import tempfile

with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    os.makedirs("src/deep/deeper")
    for name in ("src/a.txt", "src/b.log", "src/deep/c.txt", "src/deep/deeper/.hidden"):
        with open(name, "w") as f:
            f.write(name * 10)
    os.chmod("src/a.txt", 0o600)
    os.utime("src/a.txt", (1_000_000_000, 1_000_000_000))
    shutil.copytree("src", "dst", ignore=shutil.ignore_patterns("*.log"))
    shutil.copy2("src/a.txt", "copy.txt")
    print(sorted(glob.glob("**/*", root_dir="dst", recursive=True)), int(os.path.getmtime("copy.txt")), oct(os.stat("copy.txt").st_mode))
    shutil.move("dst/deep", "moved")
    print(sorted(os.listdir("dst")), sorted(glob.glob("moved/**", recursive=True)), glob.glob("src/?.[tl]*") != [])
    archive = shutil.make_archive("packed", "zip", "src")
    shutil.unpack_archive(archive, "unpacked")
    print(sorted(os.listdir("unpacked")), shutil.disk_usage(".").total > 0)
    shutil.rmtree("src")
    print(os.path.exists("src"), fnmatch.filter(["a.py", "b.txt", "C.PY"], "*.py"), fnmatch.translate("a?[!b]*") != "")
    try:
        shutil.rmtree("src")
    except FileNotFoundError as error:
        print(error.filename)
    os.chdir("/")
[shutil.which("no-such-program"), os.path.exists(folder)]
