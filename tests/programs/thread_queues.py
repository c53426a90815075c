# Producers and consumers share bounded queues; what was put in comes out once.
import queue
import threading

work, done = queue.Queue(maxsize=5), queue.SimpleQueue()


def produce(start):
    for number in range(start, start + 100):
        work.put(number)


def consume():
    while (number := work.get()) is not None:
        done.put(number * 2)
        work.task_done()


producers = [threading.Thread(target=produce, args=(start,)) for start in (0, 100, 200)]
consumers = [threading.Thread(target=consume) for _ in range(4)]
for thread in producers + consumers:
    thread.start()
for thread in producers:
    thread.join()
work.join()
for _ in consumers:
    work.put(None)
for thread in consumers:
    thread.join()
results = sorted(done.get() for _ in range(300))
refused = []
try:
    queue.Queue().get(timeout=0.01)
except queue.Empty:
    refused.append("empty")
full = queue.LifoQueue(1)
full.put(1)
try:
    full.put(2, timeout=0.01)
except queue.Full:
    refused.append("full")
[results == [2 * number for number in range(300)], done.empty(), refused]
