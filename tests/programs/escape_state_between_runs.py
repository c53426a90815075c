# Leaves traces in every place that a later run could see, and looks for those of an earlier one.
EXPECTED = []
import builtins, gc, hypercell_guest, random, sys
places = {
    "file": os.path.exists("/tmp/trace"),
    "output": os.path.exists("/output/trace"),
    "shared memory": os.path.exists("/dev/shm/trace"),
    "module": hasattr(hypercell_guest, "trace"),
    "builtin": hasattr(builtins, "trace"),
    "modules": "trace_of_run" in sys.modules,
    "environment": "TRACE" in os.environ,
    "globals": "trace" in globals(),
    "path": "/tmp/trace" in sys.path,
    "directory": os.getcwd() != "/tmp",
    "recursion": sys.getrecursionlimit() == 777,
    "descriptor": attempt(os.fstat, 500) == "allowed",
    "mask": os.umask(0o77) == 0o77,
    "mapping": any(line.startswith("6000") and "600000000000-" in line for line in open("/proc/self/maps")),
}
trace = hypercell_guest.trace = builtins.trace = sys.modules["trace_of_run"] = 1
for path in ("/tmp/trace", "/output/trace", "/dev/shm/trace"):
    attempt(lambda path=path: open(path, "w").close())
os.environ["TRACE"] = "1"
sys.path.insert(0, "/tmp/trace")
os.chdir("/")
sys.setrecursionlimit(777)
os.dup2(0, 500)
random.seed(1)
syscall(9, 0x600000000000, 4096, 3, 0x32, -1, 0)
[name for name, found in places.items() if found]
