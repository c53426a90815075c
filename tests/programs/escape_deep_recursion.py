# Recurses without end in Python, in C, in the compiler and in containers. Each must be an error of Python.
EXPECTED = [
    "RecursionError", "RecursionError", "RecursionError", "RecursionError", "SyntaxError",
    "RecursionError",
]
import json, pickle, sys
def recurse():
    recurse()
class Attribute:
    def __getattr__(self, name):
        return getattr(self, name + "x")
nested = []
for _ in range(100_000):
    nested = [nested]
found = [attempt(recurse), attempt(lambda: Attribute().x), attempt(repr, nested), attempt(json.dumps, nested), attempt(compile, "(" * 10_000 + ")" * 10_000, "x", "eval"), attempt(json.loads, "[" * 100_000)]
while nested:
    nested = nested.pop()
found
