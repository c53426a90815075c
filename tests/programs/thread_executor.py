# A pool of threads maps, completes in order of time, raises and cancels.
import concurrent.futures
import threading
import time


def square(number):
    if number == 13:
        raise ValueError("unlucky")
    return number * number


with concurrent.futures.ThreadPoolExecutor(max_workers=4, thread_name_prefix="worker") as pool:
    squares = list(pool.map(square, range(10)))
    naps = [pool.submit(lambda s: time.sleep(s) or s, s) for s in (0.09, 0.01, 0.05)]
    order = [future.result() for future in concurrent.futures.as_completed(naps)]
    failed = pool.submit(square, 13)
    names = {pool.submit(lambda: threading.current_thread().name.split("_")[0]).result() for _ in range(5)}
    done, rest = concurrent.futures.wait([pool.submit(time.sleep, 0), pool.submit(square, 3)], timeout=5)
    late = pool.submit(time.sleep, 0.05)
    try:
        late.result(timeout=0.005)
    except concurrent.futures.TimeoutError:
        timeouts = 1
with concurrent.futures.ThreadPoolExecutor(1) as pool:
    pool.submit(time.sleep, 0.02)
    waiting = pool.submit(square, 1)
    was_cancelled = waiting.cancel()
[squares, order, repr(failed.exception()), names, len(done), len(rest), timeouts, was_cancelled]
