# Positional-only, keyword-only and default parameters, annotations, and the errors of wrong calls.
import inspect


def mixed(a, b=2, /, c=3, *args, d, e=5, **rest):
    return (a, b, c, args, d, e, rest)


print(mixed(1, d=4), mixed(1, 2, 3, 4, 5, d=6, a="kept", z=0))
print(inspect.signature(mixed))


def sticky(item, bucket=[]):  # noqa: B006  the shared default is what is shown
    bucket.append(item)
    return bucket


sticky(1)
print(sticky(2), sticky.__defaults__)
messages = []
for call in (lambda: mixed(), lambda: mixed(1), lambda: sticky(), lambda: sticky(1, 2, 3), lambda: sticky(1, colour=3), lambda: sticky(1, item=2)):
    try:
        call()
    except TypeError as error:
        messages.append(str(error))
print("\n".join(messages))
messages
