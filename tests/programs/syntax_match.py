# Structural pattern matching: literals, sequences, mappings, classes, guards, captures.
from dataclasses import dataclass


@dataclass
class Point:
    x: int
    y: int


def describe(subject):
    match subject:
        case 0 | 1:
            return "small"
        case int(n) if n < 0:
            return f"negative {n}"
        case bool() | int() | float():
            return "number"
        case str() as text:
            return f"text {text!r}"
        case []:
            return "empty"
        case [only]:
            return f"one {only}"
        case [first, *middle, last]:
            return f"{first}..{last} with {len(middle)} between"
        case {"kind": kind, **rest}:
            return f"{kind} {sorted(rest)}"
        case Point(x=0, y=y):
            return f"on the y axis at {y}"
        case Point(x, y):
            return f"point {x},{y}"
        case None:
            return "none"
        case _:
            return type(subject).__name__


subjects = [0, -3, 7, 2.5, "hi", [], [1], [1, 2, 3, 4], {"kind": "dog", "age": 3}, Point(0, 2), Point(1, 2), None, {1}]
for subject in subjects:
    print(describe(subject))
[describe(s) for s in subjects]
