# Limits of resources: lowered, raised again below the hard one, and what holds then.
import errno
import os
import resource
import signal
import tempfile


def failing(action, *arguments):
    """The name of the error by which a call fails."""
    try:
        return action(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    except ValueError as error:
        return str(error)


os.chdir(tempfile.mkdtemp())
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
lowest = os.open("/dev/null", os.O_RDONLY)
limit = lowest + 3
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
files = [lowest]
while isinstance(last := failing(os.open, "/dev/null", os.O_RDONLY), int):
    files.append(last)
print(last, files[-1] == limit - 1, failing(os.dup, 0), failing(os.dup2, 0, limit), failing(os.pipe))
for file in files:
    os.close(file)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
os.dup2(0, limit)
os.close(limit)
with open("/proc/self/limits") as file:
    shown = {line[:26].strip(): line[26:].split()[:2] for line in file}
print(shown["Max open files"] == [str(hard), str(hard)], shown["Limit"])

print(signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
with open("file", "wb", buffering=0) as file:
    print(file.write(bytes(600)), file.write(bytes(600)), failing(file.write, b"x"), file.tell())
    print(failing(file.truncate, 2000), file.truncate(10), failing(os.posix_fallocate, file.fileno(), 0, 5000))
    print(failing(os.pwrite, file.fileno(), b"abc", 998), failing(os.pwrite, file.fileno(), b"abc", 1000))
    seen = []
    signal.signal(signal.SIGXFSZ, lambda *_: seen.append("too large"))
    print(failing(os.pwrite, file.fileno(), b"abc", 5000), seen)
with open("file", "ab", buffering=0) as file:
    print(failing(file.write, b"x"), os.stat("file").st_size)
print(failing(os.truncate, "file", 3000), failing(os.truncate, "file", 500))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
with open("file", "ab") as file:
    print(file.write(bytes(2000)), os.stat("file").st_size)

core = resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (0, core[1]))
print(resource.getrlimit(resource.RLIMIT_CORE) == (0, core[1]))
print(failing(resource.setrlimit, resource.RLIMIT_FSIZE, (20, 10)), failing(resource.setrlimit, 99, (1, 1)))
memory = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, memory)
[resource.prlimit(0, resource.RLIMIT_AS) == memory, failing(resource.prlimit, 99_999_999, resource.RLIMIT_AS)]
