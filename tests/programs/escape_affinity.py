# Asks for other processors. There is one, and the host schedules it.
EXPECTED = [{0}, ["EINVAL", "allowed", "EINVAL"], {0}, 1, "ESRCH"]
before = os.sched_getaffinity(0)
found = [attempt(os.sched_setaffinity, 0, mask) for mask in ({1}, {0, 1, 2, 3}, {1023})]
[before, found, os.sched_getaffinity(0), os.cpu_count(), attempt(os.sched_setaffinity, host_pid, {0})]
