# Raises its limits and reads those of others. None may rise: what is unlimited in the guest, the sandbox limits.
EXPECTED = [
    ["allowed", "allowed", "ValueError", "ValueError", "ValueError", "allowed", "ValueError"],
    True, "ESRCH",
]
import resource
names = ["RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_STACK", "RLIMIT_CPU", "RLIMIT_CORE"]
infinite = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
before = [resource.getrlimit(getattr(resource, name)) for name in names]
tried = [attempt(resource.setrlimit, getattr(resource, name), infinite) for name in names]
after = [resource.getrlimit(getattr(resource, name)) for name in names]
[tried, before == after, attempt(resource.prlimit, host_pid, resource.RLIMIT_AS)]
