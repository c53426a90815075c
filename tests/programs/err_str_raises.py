# An exception whose own text fails.
# raises: Awkward
class Awkward(Exception):
    def __str__(self):
        raise ValueError("no text")


try:
    raise Awkward
except Awkward as error:
    print(type(error).__name__)
raise Awkward("unprintable")
