# asyncio task groups and timeouts as context managers.
# requires: 3.11
import asyncio


async def step(n):
    await asyncio.sleep(0.001 * n)
    if n == 2:
        raise KeyError(n)
    return n


async def main():
    async with asyncio.TaskGroup() as group:
        good = [group.create_task(step(n)) for n in (0, 1)]
    seen = [task.result() for task in good]
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(30)
    except TimeoutError:
        seen.append("timeout")
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(step(2))
            slow = group.create_task(step(1000))
    except* KeyError as errors:
        seen.append(repr(errors.exceptions))
    seen.append(slow.cancelled())
    return seen


with asyncio.Runner() as runner:
    seen = runner.run(main())
seen
