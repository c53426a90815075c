# Makes links to paths of the host and follows them. They must lead into the guest's own tree, where nothing is.
EXPECTED = ["ENOENT", "ENOENT", "ENOENT", "ENOENT", True, True]
os.symlink(host_file, "/tmp/link")
os.symlink("/", "/tmp/root")
os.symlink("../../../../../../../..", "/tmp/up")
[
    attempt(open, "/tmp/link"),
    attempt(open, "/tmp/root" + host_file),
    attempt(open, "/tmp/up" + host_file),
    attempt(os.stat, "/tmp/link"),
    os.readlink("/tmp/link") == host_file,
    sorted(os.listdir("/tmp/up")) == sorted(os.listdir("/")),
]
