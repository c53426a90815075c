# Climbs by openat(2) with a directory descriptor, and after fchdir to it. Both must end at the guest's root.
EXPECTED = ["ENOENT", "/", "ENOENT"]
root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
found = [attempt(os.open, "../" * 30 + host_file.lstrip("/"), os.O_RDONLY, dir_fd=root)]
os.fchdir(root)
os.chdir("../../..")
found + [os.getcwd(), attempt(open, "." + host_file)]
