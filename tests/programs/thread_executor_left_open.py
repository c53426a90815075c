# A pool that nobody shuts down ends with the program, after the work that was given to it.
import concurrent.futures
import time

pool = concurrent.futures.ThreadPoolExecutor(3)
results = set()
for number in range(6):
    pool.submit(lambda n=number: (time.sleep(0.002 * n), results.add(n)))
results
