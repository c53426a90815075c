# Uses the device as it is not meant: reads first, writes twice, maps, seeks, truncates, splices and half frames.
EXPECTED = ["EIO", "EINVAL", "EINVAL", "ESPIPE", "EINVAL", "ESPIPE", "ENODEV", "EINVAL", "EPERM", "EROFS", 3]
import mmap, struct
device = os.open("/dev/hypercell", os.O_RDWR)
[
    attempt(os.read, device, 100),
    attempt(os.write, device, b""),
    attempt(os.write, device, b"HCEL"),
    attempt(os.lseek, device, 0, 2),
    attempt(os.ftruncate, device, 0),
    attempt(os.pread, device, 100, 1 << 40),
    attempt(mmap.mmap, device, 4096),
    attempt(os.sendfile, device, os.open("/dev/zero", 0), 0, 100),
    attempt(os.truncate, "/dev/hypercell", 0),
    attempt(os.remove, "/dev/hypercell"),
    add(a=1, b=2),
]
