# secrets: lengths and alphabets of what it hands out; the values themselves are never equal.
import secrets
import string

token = secrets.token_hex(16)
print(len(token), set(token) <= set(string.hexdigits), len(secrets.token_bytes(32)), len(secrets.token_urlsafe(16)))
print(secrets.token_bytes(16) != secrets.token_bytes(16), secrets.choice(["only"]), 0 <= secrets.randbelow(10) < 10)
print(secrets.compare_digest("a", "a"), secrets.randbits(8) < 256, secrets.SystemRandom().random() < 1)
len({secrets.token_hex(8) for _ in range(500)})
