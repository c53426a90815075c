# random with a seed gives the same numbers everywhere.
import random

source = random.Random(42)
print([source.random() for _ in range(3)], source.randint(1, 100), source.randrange(0, 100, 5))
print(source.choice("abcdef"), source.choices([1, 2, 3], weights=[1, 1, 8], k=5), source.sample(range(50), 4))
deck = list(range(10))
source.shuffle(deck)
print(deck, source.gauss(0, 1), source.uniform(2, 3), source.expovariate(0.5), source.getrandbits(70))
print(source.betavariate(2, 3), source.triangular(0, 10, 5), source.randbytes(4))
random.seed("text seed")
first = random.random()
state = random.getstate()
again = random.random()
random.setstate(state)
[first, again == random.random(), random.Random(1).random()]
