# The devices, and the /proc files that programs read, as far as they are alike everywhere.
import os

with open("/dev/zero", "rb") as f:
    print(f.read(5))
with open("/dev/null", "r+b", buffering=0) as f:
    print(f.write(b"gone"), f.read())
with open("/dev/urandom", "rb") as f:
    print(f.read(16) != f.read(16))
print(os.path.exists("/proc/self/maps"), len(open("/proc/self/status").read()) > 0)
print("MemTotal" in open("/proc/meminfo").read(), len(open("/proc/self/stat").read().split()) > 20)
print(os.path.isdir("/proc/self/fd"), os.path.isfile("/etc/passwd"), os.path.isdir("/"), os.path.isdir("/tmp"))
sorted(name for name in ("null", "zero", "urandom", "random") if os.path.exists("/dev/" + name))
