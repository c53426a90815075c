# Looks for the name, the processes, the load and the disks of the host in what the system tells.
EXPECTED = [
    "hypercell", "hypercell", 1, ["0.00", "0.00", "0.00"], "0::/\n",
    ["/", "/dev", "/dev/pts", "/proc", "/sys", "/sys/fs/cgroup", "/tmp", "/output", "/dev/shm"], "ENOENT", "ENOENT", "ENOENT",
]
import platform, resource, shutil, socket
text = " ".join([platform.platform(), socket.gethostname(), open("/proc/mounts").read(), open("/proc/self/cgroup").read(), open("/proc/version").read()])
[socket.gethostname(), platform.node(), os.cpu_count(), open("/proc/loadavg").read().split()[:3], open("/proc/self/cgroup").read(), [line.split()[1] for line in open("/proc/mounts")], attempt(open, "/proc/net/tcp"), attempt(open, "/proc/partitions"), attempt(open, "/proc/interrupts")]
