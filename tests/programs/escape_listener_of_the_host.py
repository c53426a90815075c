# Reaches the listener on the host by every library that opens connections. None may connect.
EXPECTED = ["EACCES", "EACCES", "EACCES", "EACCES", "EACCES", "EACCES", "URLError", "EACCES"]
import asyncio, ftplib, http.client, smtplib, socket, urllib.request
async def connect():
    await asyncio.open_connection("127.0.0.1", host_port)
[
    attempt(socket.create_connection, ("127.0.0.1", host_port), 1),
    attempt(socket.create_connection, ("localhost", host_port), 1),
    attempt(socket.create_server, ("127.0.0.1", 0)),
    attempt(ftplib.FTP().connect, "127.0.0.1", host_port),
    attempt(smtplib.SMTP, "127.0.0.1", host_port),
    attempt(http.client.HTTPConnection("127.0.0.1", host_port).request, "GET", "/"),
    attempt(urllib.request.urlopen, f"http://127.0.0.1:{host_port}/"),
    attempt(lambda: asyncio.run(connect())),
]
