# Diamond inheritance, super, method resolution order, abstract classes, and an impossible order.
from abc import ABC, abstractmethod

calls = []


class A:
    def run(self):
        calls.append("A")


class B(A):
    def run(self):
        calls.append("B")
        super().run()


class C(A):
    def run(self):
        calls.append("C")
        super().run()


class D(B, C):
    def run(self):
        calls.append("D")
        super().run()


class Shape(ABC):
    @abstractmethod
    def area(self): ...

    @property
    @abstractmethod
    def name(self): ...


class Square(Shape):
    name = "square"

    def area(self):
        return 4


D().run()
print(calls, [c.__name__ for c in D.__mro__])
for attempt in (Shape, lambda: type("Broken", (A, B), {})):
    try:
        attempt()
    except TypeError as error:
        print(error)
print(isinstance(Square(), Shape), issubclass(D, C), Square().area())
calls
