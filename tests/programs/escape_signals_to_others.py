# Sends signals to others: the host's process, groups, everybody. There is nobody, so -1 and 1 are the program itself.
EXPECTED = [
    "ESRCH", "ESRCH", "ESRCH", "ESRCH", "ESRCH", "allowed", "allowed", "ESRCH", "ESRCH", "EPERM",
    "ENOSYS",
]
import signal
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
[
    attempt(os.kill, host_pid, 9),
    attempt(os.kill, 2, 9),
    attempt(os.kill, 2, 0),
    attempt(os.kill, -2, 9),
    attempt(os.killpg, host_pid, 9),
    attempt(os.kill, -1, signal.SIGUSR1),
    attempt(os.kill, 1, signal.SIGUSR1),
    syscall(234, host_pid, host_pid, 9),
    syscall(200, host_pid, 9),
    syscall(424, 0, 9, 0, 0),
    syscall(129, host_pid, 9, 0),
]
