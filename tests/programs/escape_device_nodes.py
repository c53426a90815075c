# Makes device nodes of disks, memory and the hypervisor, and pipes. All must be refused.
EXPECTED = ["EPERM", "EPERM", "EPERM", "EPERM", "EPERM", []]
kinds = {"block": 0o060600, "character": 0o020600, "pipe": 0o010600, "socket": 0o140600}
[attempt(os.mknod, f"/tmp/{name}", mode, os.makedev(10, 232)) for name, mode in kinds.items()] + [attempt(os.mkfifo, "/tmp/fifo"), os.listdir("/tmp")]
