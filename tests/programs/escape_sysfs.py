# Walks /sys and /boot for hardware and firmware of the host. There is nothing but what the C library asks for.
EXPECTED = ["0 0 0 0", "ENOENT", "ENOENT", "ENOENT", "ENOENT"]
files = [os.path.join(place, name) for place, _, names in os.walk("/sys") for name in names]
text = " ".join(sorted(open(path).read().strip() for path in files))
[text, attempt(os.listdir, "/boot"), attempt(os.listdir, "/sys/class"), attempt(os.listdir, "/sys/firmware"), attempt(os.listdir, "/sys/fs/cgroup")]
