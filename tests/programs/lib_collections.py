# collections: Counter, defaultdict, OrderedDict, deque, namedtuple, ChainMap, UserDict.
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque, namedtuple

words = "the cat and the dog and the bird".split()
counts = Counter(words)
print(counts.most_common(2), counts - Counter(the=2), counts & Counter(the=1, dog=5), counts.total())
groups = defaultdict(list)
for word in words:
    groups[len(word)].append(word)
print(groups)
ordered = OrderedDict.fromkeys("abc")
ordered.move_to_end("a")
print(ordered, ordered.popitem(last=False))
queue = deque(range(5), maxlen=4)
queue.rotate(1)
queue.appendleft(9)
print(queue, queue.index(1))
Point = namedtuple("Point", "x y", defaults=[0])
print(Point(1), Point(1, 2)._replace(x=5)._asdict(), Point._fields)
chain = ChainMap({"a": 1}, {"a": 2, "b": 3})
print(chain["a"], dict(chain), chain.parents)


class Lower(UserDict):
    def __setitem__(self, key, value):
        super().__setitem__(key.lower(), value)


print(Lower(A=1, B=2))
[dict(counts), list(queue), tuple(Point(3, 4)), dict(groups)]
