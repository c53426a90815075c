# StopIteration that escapes from a generator becomes a RuntimeError.
# raises: RuntimeError
def first_items(iterators):
    for iterator in iterators:
        yield next(iterator)


print(list(first_items([iter([1]), iter([2])])))
list(first_items([iter([1]), iter([])]))
