# Makes hard links from files outside /tmp. They must be refused, and no link into read-only trees may be made.
EXPECTED = ["ENOENT", "EXDEV", "EXDEV", "EXDEV", "EPERM", ["mine"]]
open("/tmp/mine", "w").close()
[
    attempt(os.link, host_file, "/tmp/stolen"),
    attempt(os.link, "/etc/passwd", "/tmp/passwd"),
    attempt(os.link, "/dev/hypercell", "/tmp/device"),
    attempt(os.link, "/tmp/mine", "/etc/mine"),
    attempt(os.link, "/tmp", "/tmp/self"),
    sorted(os.listdir("/tmp")),
]
