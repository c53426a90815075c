# Opens URLs that are no HTTP: files of the host, FTP, data, and schemes that nobody has.
EXPECTED = [
    "URLError", "URLError", "URLError", "URLError", "URLError", "URLError", "URLError", "URLError",
    "ValueError",
]
import urllib.request
urls = [f"file://{host_file}", f"file://localhost{host_file}", f"file:///..{host_file}", f"ftp://127.0.0.1:{host_port}/x", "gopher://127.0.0.1/", "jar:file:///x", f"local_file://{host_file}", "unix:///var/run/docker.sock", "//127.0.0.1/x"]
kinds = []
for url in urls:
    try:
        urllib.request.urlopen(url)
        kinds.append("allowed")
    except Exception as error:
        kinds.append(type(error).__name__)
kinds
