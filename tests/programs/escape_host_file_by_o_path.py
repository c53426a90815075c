# Opens paths of the host with O_PATH and asks for them through /proc/self/fd. No descriptor may come out.
EXPECTED = ["ENOENT", "ENOENT", "ENOENT", "ENOENT"]
flags = os.O_PATH | os.O_NOFOLLOW
root = os.open("/", os.O_PATH)
[
    attempt(os.open, host_file, flags),
    attempt(os.open, host_file[1:], flags, dir_fd=root),
    attempt(open, f"/proc/self/fd/{root}{host_file}"),
    attempt(open, f"/proc/self/fd/{root}/../../..{host_file}"),
]
