# An exception from a finally block replaces the first one and remembers it.
# raises: KeyError
def clean():
    try:
        raise ValueError("first")
    finally:
        {}["second"]


clean()
