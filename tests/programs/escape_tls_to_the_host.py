# Speaks TLS by hand over what looks like a socket. There is nothing to speak over.
EXPECTED = ["EACCES", "EACCES"]
import ssl, http.client
context = ssl._create_unverified_context()
connection = http.client.HTTPSConnection("127.0.0.1", host_port, context=context, timeout=1)
[attempt(connection.request, "GET", "/"), attempt(ssl.get_server_certificate, ("127.0.0.1", host_port))]
