# A traceback through methods, a lambda, a comprehension, a generator and a library function.
# raises: JSONDecodeError
import json


class Loader:
    def __init__(self, texts):
        self.texts = texts

    def load(self):
        return [self.one(text) for text in self.texts]

    def one(self, text):
        parse = lambda: json.loads(text)
        return next(self.step(parse))

    def step(self, parse):
        yield parse()


print(Loader(["1", "[2]"]).load())
Loader(
    ["{}", '{"a": }'],
).load()
