# Processor time: sleep and waiting do not count in it, computing does, by thread; its timers and its limit raise signals.
import os
import resource
import signal
import threading
import time


def compute(seconds):
    """Computes for so much processor time of this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(1000))  # the call above is time of the system, which ITIMER_VIRTUAL leaves out


process, thread = time.process_time(), time.thread_time()
time.sleep(0.2)
print(time.process_time() - process < 0.1, time.thread_time() - thread < 0.1)
process, thread = time.process_time(), time.thread_time()
other = threading.Thread(target=compute, args=(0.1,))
other.start()
other.join()
print(time.process_time() - process >= 0.1, time.thread_time() - thread < 0.09)
own = time.pthread_getcpuclockid(threading.get_ident())
print(own != time.CLOCK_THREAD_CPUTIME_ID, abs(time.clock_gettime(own) - time.thread_time()) < 0.05)

before, times = resource.getrusage(resource.RUSAGE_SELF), os.times()
compute(0.1)
after, later = resource.getrusage(resource.RUSAGE_SELF), os.times()
print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime >= 0.09)
print(later.user + later.system - times.user - times.system >= 0.08, later.elapsed > times.elapsed)
mine, children = resource.getrusage(resource.RUSAGE_THREAD), resource.getrusage(resource.RUSAGE_CHILDREN)
print(mine.ru_utime + mine.ru_stime <= after.ru_utime + after.ru_stime + 0.1, children.ru_utime)

for which, number in ((signal.ITIMER_VIRTUAL, signal.SIGVTALRM), (signal.ITIMER_PROF, signal.SIGPROF)):
    seen = []
    signal.signal(number, lambda *_: seen.append(1))
    signal.setitimer(which, 0.02, 0.02)
    time.sleep(0.1)
    asleep = len(seen)
    compute(0.2)
    value, interval = signal.setitimer(which, 0)
    print(asleep, len(seen) > 0, 0 < value <= 0.021, abs(interval - 0.02) < 1e-5, signal.getitimer(which))

signal.signal(signal.SIGXCPU, lambda *_: seen.append("limit"))
soft = int(time.process_time()) + 1
resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))
while "limit" not in seen and time.process_time() < soft + 5:
    pass
seen[-1]
