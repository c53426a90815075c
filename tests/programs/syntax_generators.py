# Generators: send, throw, close, return values, yield from, and expressions that stay lazy.
def averager():
    total, count, average = 0, 0, None
    while True:
        try:
            number = yield average
        except ValueError as error:
            print("reset:", error)
            total, count, average = 0, 0, None
            continue
        total += number
        count += 1
        average = total / count


def inner():
    received = yield "first"
    print("inner got", received)
    return "inner's return"


def outer():
    value = yield from inner()
    yield value


numbers = averager()
next(numbers)
print(numbers.send(10), numbers.send(20))
print(numbers.throw(ValueError("start again")))
print(numbers.send(5))
numbers.close()

chain = outer()
steps = [next(chain), chain.send("hello")]
print(steps)

log = []
lazy = (log.append(n) or n * n for n in range(1000))
firsts = [next(lazy) for _ in range(3)]
{"steps": steps, "firsts": firsts, "evaluated": log, "closed": numbers.gi_frame is None}
