# Climbs out of every directory of the guest by `..` chains. The root's parent must be the root.
EXPECTED = ["ENOENT", "ENOENT", "ENOENT", "ENOENT", "ENOENT", "ENOENT", True]
starts = ["/tmp", "/python", "/proc/self", "/dev", "/guest", "/output"]
up = "/.." * 40
[attempt(open, start + up + host_file) for start in starts] + [os.listdir("/" + up) == os.listdir("/")]
