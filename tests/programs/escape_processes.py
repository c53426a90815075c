# Starts processes in every way that Python has. All must be refused.
EXPECTED = ["EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EACCES", "EACCES"]
import multiprocessing, subprocess
forks = multiprocessing.get_context("fork")
[
    attempt(os.fork),
    "EPERM" if attempt(os.forkpty) in ("EPERM", "OSError") else "allowed",  # CPython 3.15 loses the errno
    attempt(os.posix_spawn, "/bin/sh", ["sh"], {}),
    attempt(subprocess.run, ["/bin/sh", "-c", "id"]),
    attempt(subprocess.run, "id", shell=True),
    attempt(os.popen, "id"),
    attempt(forks.Process(target=print).start),
    attempt(forks.Pool, 2),
    attempt(os.execv, "/python/bin/python", ["python"]),
    attempt(os.execv, "/proc/self/exe", ["python", "-c", "1"]),
]
