# The scheduler and priorities as far as every system answers alike, and the checks of what is asked.
import errno
import os


def failing(action, *arguments):
    """The name of the error by which a call fails."""
    try:
        return action(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]


parameter = os.sched_getparam(0)
print(os.sched_getscheduler(0) == os.SCHED_OTHER, parameter.sched_priority)
print([(os.sched_get_priority_min(one), os.sched_get_priority_max(one)) for one in (os.SCHED_OTHER, os.SCHED_RR, os.SCHED_BATCH)])
print(failing(os.sched_get_priority_min, -23), failing(os.sched_getparam, -1), failing(os.sched_getscheduler, 99_999_999))
print(os.sched_setparam(0, parameter), os.sched_setscheduler(0, os.SCHED_OTHER, parameter))
print(failing(os.sched_setparam, 0, os.sched_param(5)), failing(os.sched_setscheduler, 0, os.SCHED_OTHER, os.sched_param(5)))
print(failing(os.sched_setscheduler, 0, os.SCHED_RR, os.sched_param(100)), 0 <= os.sched_rr_get_interval(0) < 1)
allowed = os.sched_getaffinity(0)
print(os.sched_setaffinity(0, allowed), os.sched_getaffinity(0) == allowed, failing(os.sched_setaffinity, 0, []))
print(failing(os.sched_getaffinity, -1), failing(os.sched_setaffinity, 99_999_999, allowed))
before = os.getpriority(os.PRIO_PROCESS, 0)
os.setpriority(os.PRIO_PROCESS, os.getpid(), before + 1)
print(os.getpriority(os.PRIO_PROCESS, 0) - before, os.nice(2) - before, os.nice(100))
[failing(os.getpriority, 9, 0), failing(os.getpriority, os.PRIO_PROCESS, 99_999_999), failing(os.setpriority, os.PRIO_USER, 99_999_999, 1)]
