# A program goes on after it caught a RecursionError, many times over.
def down(n):
    return 1 + down(n + 1)


class Endless:
    def __getattr__(self, name):
        return getattr(self, name + "x")

    def __eq__(self, other):
        return other == self


seen = []
for action in (lambda: down(0), lambda: Endless().a, lambda: Endless() == Endless(), lambda: down(0)):
    try:
        action()
    except RecursionError as error:
        seen.append(type(error).__name__)
print(seen)
[seen, sum(range(10))]
