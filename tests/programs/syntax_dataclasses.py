# Dataclasses: defaults, ordering, frozen, replace, post-init, inheritance, keyword-only fields.
from dataclasses import FrozenInstanceError, asdict, astuple, dataclass, field, fields, replace


@dataclass(order=True)
class Item:
    name: str
    price: float = 0.0
    tags: list[str] = field(default_factory=list, compare=False)

    def __post_init__(self):
        self.name = self.name.title()


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0


@dataclass(kw_only=True)
class Order(Item):
    quantity: int

    @property
    def total(self):
        return self.price * self.quantity


a, b = Item("apple", 1.5, ["fruit"]), Item("banana", 0.5)
print(a, a > b, sorted([b, a])[0].name)
print(replace(a, price=2.0), [f.name for f in fields(Order)])
point = Point(3)
try:
    point.x = 4
except FrozenInstanceError as error:
    print(type(error).__name__, error)
print(hash(Point(1, 2)) == hash(Point(1, 2)), {Point(1, 2), Point(1, 2)})
order = Order(name="pear", price=2.0, quantity=3)
print(order, order.total)
[asdict(a), astuple(point), asdict(order)]
