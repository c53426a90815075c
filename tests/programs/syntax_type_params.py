# Type parameters of functions, classes and aliases (PEP 695).
# requires: 3.12
type Pair[T] = tuple[T, T]
type Tree = int | list[Tree]


def first[T](items: list[T]) -> T:
    return items[0]


class Stack[T: (int, str)]:
    def __init__(self) -> None:
        self.items: list[T] = []

    def push(self, item: T) -> "Stack[T]":
        self.items.append(item)
        return self


def spread[*Ts, **P](*args: *Ts) -> int:
    return len(args)


print(Pair.__value__, Pair.__type_params__, Tree)
print(first.__type_params__, Stack.__type_params__[0].__constraints__, spread.__type_params__)
print(Stack[int]().push(3).push(4).items)
[first(["x", "y"]), spread(1, 2, 3), str(Stack[int])]
