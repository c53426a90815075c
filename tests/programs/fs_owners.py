# Owners of files: set and left, by path, descriptor and link, and shown by every kind of stat. Only root may, which the guest is.
import os
import tempfile

os.chdir(tempfile.mkdtemp())
open("file", "w").close()
os.symlink("file", "link")
os.mkdir("dir")


def owner(path, **options):
    info = os.stat(path, **options)
    return info.st_uid, info.st_gid


is_root = os.getuid() == 0
if is_root:
    os.chown("file", 1000, 100)
    seen = [owner("file"), owner("link"), owner("link", follow_symlinks=False) == (os.getuid(), os.getgid())]
    os.chown("link", -1, 7)
    os.lchown("link", 8, -1)
    seen += [owner("file"), owner("link", follow_symlinks=False)[0]]
    here = os.open(".", os.O_RDONLY)
    os.chown("dir", 5, 6, dir_fd=here)
    with open("file") as file:
        os.fchown(file.fileno(), 2**31, 2**32 - 2)
        seen += [owner(file.fileno()), owner("dir"), open("file", "a").write("x")]
    os.setresuid(-1, 0, -1)
    os.setgid(0)
    os.setgroups([4, 20, 7])
    seen.append(sorted(os.getgroups()))
    os.setgroups([])
    seen.append(os.getgroups())
    wanted = [(1000, 100), (1000, 100), True, (1000, 7), 8, (2**31, 2**32 - 2), (5, 6), 1, [4, 7, 20], []]
is_root and seen == wanted or not is_root
