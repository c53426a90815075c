# Several threads run a loop of their own.
import asyncio
import threading

results = []


async def count(number):
    total = 0
    for _ in range(20):
        await asyncio.sleep(0.0005)
        total += number
    return total


threads = [threading.Thread(target=lambda n=n: results.append(asyncio.run(count(n)))) for n in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sorted(results)
