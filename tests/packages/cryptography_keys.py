"""Hashes, AES-GCM, Fernet, a key derivation, Ed25519, RSA and a certificate that is signed and verified."""
# packages: cryptography
# image: text
import datetime as dt

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.x509.oid import NameOID


def is_accepted(verify):
    try:
        verify()
    except InvalidSignature:
        return False
    return True


def certificate(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "guest")])
    begin = dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(begin).not_valid_after(begin + dt.timedelta(days=30))
    return builder.sign(key, hashes.SHA256())


def work():
    sealed = AESGCM(bytes(32)).encrypt(bytes(12), b"x" * 1_000_000, b"head")
    derived = PBKDF2HMAC(hashes.SHA256(), 32, b"salt", 50_000).derive(b"password")
    signer = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    signature = signer.sign(b"message")
    keys = rsa.generate_private_key(65537, 2048)
    rsa_signature = keys.sign(b"m", padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    made = certificate(ec.generate_private_key(ec.SECP256R1()))
    box = Fernet(Fernet.generate_key())
    check = (rsa_signature, b"m", padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    return {
        "sealed": sealed[-16:].hex(),
        "opened": AESGCM(bytes(32)).decrypt(bytes(12), sealed, b"head")[:3],
        "derived": derived.hex(),
        "signature": signature.hex(),
        "accepted": is_accepted(lambda: signer.public_key().verify(signature, b"message")),
        "forged": is_accepted(lambda: signer.public_key().verify(signature, b"massage")),
        "rsa": is_accepted(lambda: keys.public_key().verify(*check)),
        "fernet": box.decrypt(box.encrypt(b"secret")),
        "certificate": (made.subject.rfc4514_string(), made.not_valid_after_utc.isoformat()),
        "own signature": is_accepted(lambda: made.verify_directly_issued_by(made)),
        "pem": made.public_bytes(serialization.Encoding.PEM)[:27],
    }
