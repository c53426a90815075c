# The clocks: order, resolution, nanosecond twins, and how they agree with each other.
import time

for name in ("time", "monotonic", "perf_counter", "process_time"):
    info = time.get_clock_info(name)
    print(name, info.monotonic, info.adjustable, info.resolution <= 1e-3)
samples = [time.perf_counter_ns() for _ in range(1000)]
print(samples == sorted(samples), samples[-1] > samples[0])
monotonic = [time.monotonic() for _ in range(1000)]
print(monotonic == sorted(monotonic))
before, wall = time.monotonic(), time.time()
while time.monotonic() - before < 0.02:
    pass
print(abs((time.time() - wall) - (time.monotonic() - before)) < 0.01)
print(abs(time.time() - time.time_ns() / 1e9) < 0.5, time.time() > 1_700_000_000, time.process_time() > 0)
print(abs(time.clock_gettime(time.CLOCK_REALTIME) - time.time()) < 0.5, time.clock_getres(time.CLOCK_MONOTONIC) <= 1e-3)
used = time.process_time()
sum(i for i in range(200_000))
print(time.process_time() > used, time.thread_time() >= 0)
[isinstance(time.time_ns(), int), time.perf_counter() < time.perf_counter()]
