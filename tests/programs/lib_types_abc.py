# types, abc and collections.abc: made at run time.
import types
from abc import ABC, ABCMeta, abstractmethod
from collections.abc import Iterable, Mapping, MutableSequence, Sized

namespace = types.SimpleNamespace(a=1, b="x")
namespace.c = [2]
print(namespace, types.SimpleNamespace(a=1) == types.SimpleNamespace(a=1))
frozen = types.MappingProxyType({"k": 1})
try:
    frozen["k"] = 2
except TypeError as error:
    print(error)
Made = types.new_class("Made", (), {}, lambda ns: ns.update(hello=lambda self: "hello"))
print(Made().hello(), types.FunctionType(compile("x + 1", "f", "eval"), {"x": 4})())
module = types.ModuleType("mine", "doc")
module.value = 3
print(module.__name__, module.__doc__, module.value)


class Pairs(Mapping):
    def __getitem__(self, key):
        return key * 2

    def __iter__(self):
        return iter([1, 2])

    def __len__(self):
        return 2


print(dict(Pairs()), Pairs().get(9), 1 in Pairs(), list(Pairs().items()), issubclass(Pairs, Sized))


class Duck(metaclass=ABCMeta):
    @classmethod
    def __subclasshook__(cls, other):
        return hasattr(other, "quack") or NotImplemented


Duck.register(int)
print(isinstance(5, Duck), isinstance("x", Duck), isinstance([], Iterable), issubclass(list, MutableSequence))
[type(lambda: 0) is types.FunctionType, isinstance((n for n in ()), types.GeneratorType), types.CodeType.__name__]
