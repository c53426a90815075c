# Defaults of type parameters (PEP 696).
# requires: 3.13
class Box[T = int]:
    pass


def make[K = str, V = list[K]]() -> dict[K, V]:
    return {}


print(Box.__type_params__[0].__default__)
[repr(p.__default__) for p in make.__type_params__]
