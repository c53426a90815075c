# cProfile, timeit, trace, tracemalloc: tools that hook into the interpreter.
import cProfile
import io
import pstats
import sys
import timeit
import trace
import tracemalloc


def work(n):
    return sum(helper(i) for i in range(n))


def helper(i):
    return i * i


profile = cProfile.Profile()
value = profile.runcall(work, 50)
stats = pstats.Stats(profile, stream=io.StringIO())
print(value, sorted((name, calls[0]) for (_, _, name), calls in stats.stats.items() if name in ("work", "helper")))
print(timeit.timeit("x += 1", "x = 0", number=1000) > 0, len(timeit.repeat("pass", number=10, repeat=3)))
tracer = trace.Trace(count=True, trace=False)
print(tracer.runfunc(work, 3), any(key[0] == "<code>" for key in tracer.results().counts))
lines = []
sys.settrace(lambda frame, event, arg: lines.append((event, frame.f_code.co_name)))
helper(3)
sys.settrace(None)
print(lines)
tracemalloc.start()
block = bytearray(1_000_000)
current, peak = tracemalloc.get_traced_memory()
tracemalloc.stop()
[current >= 1_000_000, peak >= current, len(block)]
