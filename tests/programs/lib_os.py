# os and os.path: paths, environment, descriptors, identity.
import os
import stat

print(os.path.join("a", "/b", "c"), os.path.normpath("/a/./b/../c//d"), os.path.splitext("x.tar.gz"), os.path.commonpath(["/a/b", "/a/c"]))
print(os.path.relpath("/a/b/c", "/a/d"), os.path.basename("/x/"), os.path.isabs("x"), os.path.expandvars("$NOPE-${NOPE}"), os.path.split("/a/b"))
os.environ["HYPER_X"] = "value"
print(os.getenv("HYPER_X"), os.environ.pop("HYPER_X"), os.getenv("HYPER_X", "default"), os.fsencode("é"), os.fsdecode(b"\xff") == "\udcff")
print(os.sep, os.linesep == "\n", os.name, os.curdir, os.devnull, os.strerror(2), os.uname().sysname, os.uname().machine)
info = os.stat("/tmp")
print(stat.S_ISDIR(info.st_mode), stat.filemode(0o100644), os.access("/tmp", os.W_OK), os.access("/nowhere", os.F_OK))
print(os.getpid() > 0, os.getuid() >= 0, os.cpu_count() >= 1, len(os.urandom(8)), os.get_terminal_size is not None)
with open(os.devnull, "w") as f:
    print(f.write("gone"), os.isatty(f.fileno()), stat.S_ISCHR(os.fstat(f.fileno()).st_mode))
old = os.umask(0o027)
print(os.umask(old) == 0o027)
[os.path.exists("/no/where"), os.fspath("x"), sorted(os.environ) == sorted(os.environ.keys())]
