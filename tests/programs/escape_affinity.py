# Asks for other processors. That is accepted without effect: there is one, and the host schedules it.
EXPECTED = [{0}, ["allowed", "allowed", "allowed"], {0}, 1, "allowed"]
before = os.sched_getaffinity(0)
found = [attempt(os.sched_setaffinity, 0, mask) for mask in ({1}, {0, 1, 2, 3}, {1023})]
[before, found, os.sched_getaffinity(0), os.cpu_count(), attempt(os.sched_setaffinity, host_pid, {0})]
