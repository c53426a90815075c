# Names the host's listener as a proxy, in the environment and in the opener. Nothing may reach it.
EXPECTED = ["PermissionError", "PermissionError"]
import urllib.request
for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ftp_proxy"):
    os.environ[name] = f"http://127.0.0.1:{host_port}"
opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": f"http://127.0.0.1:{host_port}"}))
found = []
for open_url in (urllib.request.urlopen, opener.open):
    try:
        open_url("http://example.org/")
        found.append("allowed")
    except OSError as error:
        found.append(type(getattr(error, "reason", error)).__name__)
found
