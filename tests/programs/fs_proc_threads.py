# Threads below /proc/self/task, their names and states, and how that agrees with what is said of the process.
import ctypes
import os
import threading

libc = ctypes.CDLL(None)
PR_SET_NAME, PR_GET_NAME = 15, 16


def read(path):
    with open(path) as file:
        return file.read()


def status(path):
    return dict(line.split(":\t", 1) for line in read(path).splitlines() if ":\t" in line)


def own_name(name):
    """Names this thread, and says what that comes to everywhere."""
    libc.prctl(PR_SET_NAME, name)
    got = ctypes.create_string_buffer(16)
    libc.prctl(PR_GET_NAME, got)
    shown = status("/proc/thread-self/status")
    return got.value, read("/proc/thread-self/comm"), shown["Name"], int(shown["Pid"]) == threading.get_native_id()


release, begun = threading.Event(), threading.Barrier(4)
names = {}


def work(name):
    names[name] = own_name(name)
    begun.wait()
    release.wait()


threads = [threading.Thread(target=work, args=(name,)) for name in (b"one", b"two", b"a name that is too long")]
for thread in threads:
    thread.start()
begun.wait()
numbers = {str(thread.native_id) for thread in threads} | {str(os.getpid())}
print(set(os.listdir("/proc/self/task")) == numbers, status("/proc/self/status")["Threads"])
print(sorted(names.items()))
other = f"/proc/self/task/{threads[0].native_id}"
print(read(f"{other}/comm"), read(f"{other}/stat").split()[2] in "RS", len(read(f"{other}/stat").split()) >= 52)
print(os.path.basename(os.readlink("/proc/thread-self")) == str(threading.get_native_id()))
print(os.path.isdir(other), os.path.exists("/proc/self/task/999999"), os.path.exists(f"{other}/none"))
release.set()
for thread in threads:
    thread.join()
print(own_name(b"main"), read("/proc/self/comm"))
[int(read("/proc/self/oom_score_adj")) >= -1000, os.path.exists("/sys/devices/system/cpu/possible")]
