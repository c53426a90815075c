# asyncio: tasks, gather, queues, locks, timeouts, cancellation, subtasks that fail.
import asyncio

log = []


async def worker(name, queue):
    while (item := await queue.get()) is not None:
        await asyncio.sleep(0.001)
        log.append((name, item))
        queue.task_done()


async def failing():
    await asyncio.sleep(0)
    raise ValueError("task failed")


async def main():
    queue = asyncio.Queue()
    for n in range(4):
        queue.put_nowait(n)
    workers = [asyncio.create_task(worker(name, queue)) for name in "ab"]
    await queue.join()
    for _ in workers:
        queue.put_nowait(None)
    await asyncio.gather(*workers)
    outcomes = await asyncio.gather(asyncio.sleep(0, "slept"), failing(), return_exceptions=True)
    print([repr(o) for o in outcomes])
    try:
        await asyncio.wait_for(asyncio.sleep(30), 0.01)
    except asyncio.TimeoutError:
        print("timed out")
    task = asyncio.create_task(asyncio.sleep(30))
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled", task.cancelled())
    lock, event = asyncio.Lock(), asyncio.Event()
    asyncio.get_running_loop().call_later(0.001, event.set)
    async with lock:
        await event.wait()
    return sorted(log, key=lambda entry: entry[1])


asyncio.run(main())
