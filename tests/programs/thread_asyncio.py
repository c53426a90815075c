# Coroutines hand work to threads, and threads hand work to the loop.
import asyncio
import threading
import time


def block(number):
    time.sleep(0.01)
    return number * 2, threading.current_thread() is threading.main_thread()


async def main():
    loop = asyncio.get_running_loop()
    doubled = await asyncio.gather(*[asyncio.to_thread(block, number) for number in range(10)])
    one = await loop.run_in_executor(None, block, 50)
    event = asyncio.Event()
    threading.Timer(0.01, lambda: loop.call_soon_threadsafe(event.set)).start()
    await asyncio.wait_for(event.wait(), 5)
    answer = await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01, "slept"), loop).result())
    try:
        await asyncio.wait_for(asyncio.to_thread(time.sleep, 0.1), 0.01)
    except asyncio.TimeoutError:
        answer = answer, "late"
    return doubled, one, answer


asyncio.run(main())
