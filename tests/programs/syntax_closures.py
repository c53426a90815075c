# Closures, nonlocal, global, late binding and cell contents.
counter = 0


def make_counter(start):
    count = start

    def step(by=1):
        nonlocal count
        global counter
        count += by
        counter += 1
        return count

    return step


a, b = make_counter(0), make_counter(100)
a(), a(5), b()
print(a(), b(), counter)
print(a.__closure__[0].cell_contents, a.__code__.co_freevars)


def unbound():
    try:
        print(late)
    except NameError as error:
        print(type(error).__name__, error)
    late = 1
    return late


def deep():
    x = 1

    def middle():
        def bottom():
            nonlocal x
            x += 1
            return x

        return bottom

    return middle()


unbound()
bottom = deep()
bottom()
[a(), b(), counter, bottom()]
