# A pool that nobody shuts down ends with the program, after the work that was given to it.
import concurrent.futures
import time

pool = concurrent.futures.ThreadPoolExecutor(3)
results = []
for number in range(6):
    pool.submit(lambda n=number: (time.sleep(0.002 * n), results.append(n)))
results
