# enum: members, flags, aliases, auto, functional form, and what crosses as a value.
from enum import Enum, Flag, IntEnum, IntFlag, auto, unique


class Colour(Enum):
    RED = 1
    GREEN = 2
    CRIMSON = 1

    @property
    def pretty(self):
        return self.name.title()


class Perm(Flag):
    R = auto()
    W = auto()
    X = auto()
    RW = R | W


class Level(IntEnum):
    LOW = 1
    HIGH = 10


print(list(Colour), Colour(2).pretty, Colour["RED"] is Colour.CRIMSON, Colour.__members__.keys())
print(Perm.R | Perm.X, Perm.RW & ~Perm.R, Perm.W in Perm.RW, bool(Perm.R & Perm.W))
print(Level.HIGH > 5, Level.LOW + 1, sorted([Level.HIGH, Level.LOW]), repr(Level.LOW))
Animal = Enum("Animal", "CAT DOG")
print(Animal.DOG.value, IntFlag("Bits", "A B").B.value)
messages = []
try:
    Colour(9)
except ValueError as error:
    messages.append(str(error))
try:
    unique(Colour)
except ValueError as error:
    messages.append(str(error))
try:
    Colour.RED = 3
except AttributeError as error:
    messages.append(type(error).__name__)
messages + [Level.HIGH.value]
