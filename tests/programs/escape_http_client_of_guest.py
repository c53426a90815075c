# Uses the guest's own HTTP client with methods, headers and URLs that smuggle a second request.
EXPECTED = ["EACCES", "EACCES", "EACCES", "EACCES", "EACCES", "EMSGSIZE", "EACCES", "EACCES"]
from hypercell_guest import http
url = f"http://127.0.0.1:{host_port}/"
names = []
for request in (
    lambda: http.request("GET", url),
    lambda: http.request("CONNECT", url),
    lambda: http.request("GET / HTTP/1.1\r\nHost: x\r\n\r\nPOST", url),
    lambda: http.request("GET", url + " HTTP/1.1\r\nX: y"),
    lambda: http.request("GET", url, headers={"X": "a\r\nHost: b"}),
    lambda: http.request("GET", "http://" + "a" * 20000),
    lambda: http.request("GET", "http://\0/"),
    lambda: http.request("GET", "file://" + host_file),
):
    names.append(attempt(request))
names
