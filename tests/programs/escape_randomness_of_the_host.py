# Looks for numbers that the host also uses: hash seed, auxiliary vector, boot id, machine id, addresses.
EXPECTED = ["ENOENT", "ENOENT", "ENOENT", "ENOENT", "ENOENT", False, 1000, 1000]
import random, uuid
[
    attempt(open, "/proc/sys/kernel/random/boot_id"),
    attempt(open, "/etc/machine-id"),
    attempt(open, "/proc/self/auxv", "rb"),
    attempt(open, "/sys/class/dmi/id/product_uuid"),
    attempt(open, "/sys/class/net/eth0/address"),
    "PYTHONHASHSEED" in os.environ,
    len({os.urandom(16) for _ in range(1000)}),
    len({random.random() for _ in range(1000)}),
]
