# Opens devices of the host, terminals among them. None of them may exist.
EXPECTED = [["ENOENT"], "ENXIO"]
names = ["kvm", "mem", "kmem", "port", "sda", "vda", "nvme0n1", "loop0", "fuse", "net/tun", "vhost-vsock", "pts/0", "mshv", "nbd0", "console"]
[sorted({attempt(open, f"/dev/{name}", "r+b") for name in names}), attempt(open, "/dev/tty")]
