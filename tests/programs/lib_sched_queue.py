# sched and queue: timed events with a false clock, queues within one thread.
import queue
import sched

now = 0.0
log = []


def sleep(seconds):
    global now
    now += seconds


plan = sched.scheduler(lambda: now, sleep)
plan.enter(5, 1, lambda: log.append(("late", now)))
plan.enter(1, 2, lambda: log.append(("early", now)))
cancelled = plan.enter(2, 1, log.append, ("never",))
plan.cancel(cancelled)
plan.run()
fifo, lifo, order = queue.Queue(maxsize=2), queue.LifoQueue(), queue.PriorityQueue()
for q in (fifo, lifo, order):
    q.put(2)
    q.put(1)
try:
    fifo.put_nowait(3)
except queue.Full:
    log.append("full")
log.append([q.get() for q in (fifo, lifo, order)])
fifo.get()
try:
    fifo.get(timeout=0.01)
except queue.Empty:
    log.append("empty")
log
