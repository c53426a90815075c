# Makes device nodes of disks, memory and the hypervisor, and sockets. All must be refused; pipes are of the guest's memory.
EXPECTED = ["EPERM", "EPERM", "EPERM", "allowed", ["fifo"]]
kinds = {"block": 0o060600, "character": 0o020600, "socket": 0o140600}
[attempt(os.mknod, f"/tmp/{name}", mode, os.makedev(10, 232)) for name, mode in kinds.items()] + [attempt(os.mkfifo, "/tmp/fifo"), os.listdir("/tmp")]
