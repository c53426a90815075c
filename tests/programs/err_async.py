# An exception out of awaited coroutines.
# raises: LookupError
async def fetch(key):
    raise LookupError(f"no {key}")


async def main():
    try:
        await fetch("first")
    except LookupError as error:
        print("caught", error)
    return await fetch("second")


coroutine = main()
try:
    coroutine.send(None)
finally:
    coroutine.close()
