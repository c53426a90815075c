# Forks in a loop, catching every error. There must be one process at the end, as at the start.
EXPECTED = [2000, 1, "ECHILD"]
failed = 0
for _ in range(2000):
    try:
        os.fork()
    except PermissionError:
        failed += 1
[failed, os.getpid(), attempt(os.wait)]
