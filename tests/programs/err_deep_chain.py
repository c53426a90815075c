# A chain of many causes.
# raises: RuntimeError
def step(n):
    try:
        if n == 0:
            raise KeyError("root")
        step(n - 1)
    except Exception as error:
        raise RuntimeError(f"step {n}") from error


step(3)
