# pickle, copy, marshal: round trips of built-in and own types, protocols, errors.
import copy
import marshal
import pickle
from collections import OrderedDict


class Account:
    def __init__(self, owner, balance):
        self.owner, self.balance, self.lock = owner, balance, lambda: None

    def __getstate__(self):
        return {"owner": self.owner, "balance": self.balance}

    def __setstate__(self, state):
        self.__dict__.update(state, restored=True)

    def __eq__(self, other):
        return self.owner == other.owner


class Point(tuple):
    def __reduce__(self):
        return Point, (tuple(self),)


data = {"n": [1, 2.5, None], "o": OrderedDict(a=1), "acc": Account("Ann", 5), "p": Point((1, 2)), "big": 10**40, "s": {1, 2}}
sizes = []
for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
    again = pickle.loads(pickle.dumps(data, protocol))
    sizes.append(again == data and again["acc"].restored and type(again["p"]) is Point)
print(sizes)
try:
    pickle.dumps(lambda: 1)
except (pickle.PicklingError, AttributeError) as error:
    print(type(error).__name__)
try:
    pickle.loads(b"garbage")
except pickle.UnpicklingError as error:
    print(error)
loop = [1]
loop.append(loop)
deep = copy.deepcopy(loop)
shared = [[0]] * 2
print(deep[1] is deep, copy.copy(shared)[0] is shared[0], copy.deepcopy(shared)[0] is copy.deepcopy(shared)[1])
[marshal.loads(marshal.dumps([1, "x", (2.5, None)])), eval(marshal.loads(marshal.dumps(compile("6 * 7", "m", "eval"))))]
