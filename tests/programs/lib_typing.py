# typing: hints at run time, protocols, typed dicts, named tuples, overloads.
import typing
from typing import Annotated, Generic, Literal, NamedTuple, Optional, Protocol, TypedDict, TypeVar, get_args, get_origin, get_type_hints, runtime_checkable

T = TypeVar("T")


class Stack(Generic[T]):
    def push(self, item: T) -> None: ...


@runtime_checkable
class Closable(Protocol):
    def close(self) -> None: ...


class Row(TypedDict, total=False):
    id: int
    name: Optional[str]


class Pair(NamedTuple):
    left: int
    right: str = "r"


def f(a: Annotated[int, "positive"], b: "list[str] | None" = None) -> Literal["x", "y"]: ...


print(get_type_hints(f), get_type_hints(f, include_extras=True)["a"])
print(get_origin(dict[str, int]), get_args(typing.Callable[[int], str]), Stack[int].__args__, Stack.__parameters__)
print(isinstance(open, Closable), isinstance(__import__("io").StringIO(), Closable))
print(Row(id=1), Row.__annotations__.keys(), sorted(Row.__optional_keys__), Pair(1), Pair.__annotations__ and Pair._field_defaults)
print(typing.cast(int, "x"), typing.NewType("UserId", int)(5), int | None == Optional[int])
try:
    Stack[int, str]
except TypeError as error:
    print(str(error).split(";")[0][:30])
[repr(list[int]), repr(Optional[int]), tuple(Pair(2, "z"))]
