# Work that takes the processor a moment: sorting, regular expressions, sieving.
import random
import re

source = random.Random(7)
numbers = [source.random() for _ in range(100_000)]
print(sorted(numbers)[50_000], max(numbers))
text = " ".join(f"user{n}@example{n % 7}.org" for n in range(10_000))
print(len(re.findall(r"(\w+)@(\w+)\.org", text)), re.fullmatch(r"(a|b)*abb", "ab" * 200 + "abb") is not None)
sieve = bytearray([1]) * 200_000
for n in range(2, 448):
    if sieve[n]:
        sieve[n * n :: n] = bytes(len(range(n * n, len(sieve), n)))
[sum(sieve) - 2, sorted(numbers)[:1]]
