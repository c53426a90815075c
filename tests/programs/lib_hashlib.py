# hashlib and hmac: digests of known input, incremental update, key derivation, constant-time comparison.
import hashlib
import hmac

for name in ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b", "blake2s", "sha224", "sha384"):
    print(name, hashlib.new(name, b"hypercell").hexdigest()[:32])
stepwise = hashlib.sha256()
for part in (b"hyper", b"cell"):
    stepwise.update(part)
print(stepwise.hexdigest() == hashlib.sha256(b"hypercell").hexdigest(), stepwise.digest_size, stepwise.name)
print(hashlib.blake2b(b"x", digest_size=8, key=b"k", salt=b"s").hexdigest(), hashlib.shake_128(b"x").hexdigest(6))
print(hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 1000).hex())
print(hashlib.scrypt(b"password", salt=b"salt", n=16, r=2, p=1, dklen=16).hex())
tag = hmac.new(b"key", b"message", "sha256")
print(tag.hexdigest(), hmac.compare_digest(tag.digest(), hmac.digest(b"key", b"message", "sha256")))
try:
    hashlib.new("no-such-hash")
except ValueError as error:
    print(str(error).split(":")[0].split(" ")[0])
hashlib.sha256("naïve".encode()).digest()
