# Coroutines without an event loop, async generators, async context managers, async comprehensions.
class Switch:
    def __init__(self):
        self.log = []

    async def __aenter__(self):
        self.log.append("on")
        return self

    async def __aexit__(self, kind, error, trace):
        self.log.append(f"off {kind.__name__ if kind else None}")
        return kind is KeyError


async def count(n):
    for i in range(n):
        yield i


async def work():
    switch = Switch()
    async with switch as s:
        s.log.append([i * i async for i in count(4) if i % 2])
    async with switch:
        raise KeyError("swallowed")
    async for i in count(2):
        switch.log.append(i)
    else:
        switch.log.append("else")
    return switch.log


coroutine = work()
try:
    coroutine.send(None)
except StopIteration as stop:
    log = stop.value
print(log)
log
