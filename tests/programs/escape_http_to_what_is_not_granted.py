# Asks for pages by names, addresses and odd spellings of the host's loopback. All must be denied.
EXPECTED = {
    "example.org": "PermissionError", "127.0.0.1": "PermissionError", "localhost": "PermissionError",
    "[::1]": "PermissionError", "[::ffff:127.0.0.1]": "PermissionError",
    "2130706433": "PermissionError", "0x7f.1": "PermissionError", "0": "PermissionError",
    "127.1": "PermissionError", "user:password@127.0.0.1": "PermissionError",
    "169.254.169.254": "PermissionError", "metadata.google.internal": "PermissionError",
    "10.0.0.1": "PermissionError", "[fe80::1]": "PermissionError",
    "[fd00:ec2::254]": "PermissionError",
}
import urllib.error, urllib.request
hosts = ["example.org", "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0", "127.1", "user:password@127.0.0.1", "169.254.169.254", "metadata.google.internal", "10.0.0.1", "[fe80::1]", "[fd00:ec2::254]"]
reasons = []
for host in hosts:
    try:
        urllib.request.urlopen(f"http://{host}:{host_port}/latest/meta-data/")
        reasons.append("allowed")
    except urllib.error.URLError as error:
        reasons.append(type(error.reason).__name__)
    except Exception as error:
        reasons.append(type(error).__name__)
dict(zip(hosts, reasons))
