# ssl and hashes of OpenSSL without a network: contexts, certificates refused, random bytes.
import ssl

context = ssl.create_default_context()
print(context.verify_mode.name, context.check_hostname, ssl.HAS_TLSv1_3, len(ssl.RAND_bytes(8)))
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
client = context.wrap_bio(incoming, outgoing, server_hostname="example.org")
try:
    client.do_handshake()
except ssl.SSLWantReadError as error:
    print(type(error).__name__)
hello = outgoing.read()
print(hello[:1], b"example.org" in hello)
try:
    ssl.PEM_cert_to_DER_cert("nonsense")
except ValueError as error:
    print(type(error).__name__)
ssl.DER_cert_to_PEM_cert(b"\x00\x01")
