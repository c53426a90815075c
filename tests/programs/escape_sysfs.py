# Walks /sys and /boot for hardware, firmware and groups of processes of the host. There is one processor, and the memory of the VM.
EXPECTED = [{"0", "1", "100000 100000", "256", "always madvise [never]", "cpu memory pids"}, "ENOENT", "ENOENT", "ENOENT"]
files = [os.path.join(place, name) for place, _, names in os.walk("/sys") for name in names]
texts = {open(path).read().strip() for path in files if "/memory." not in path}
[texts, attempt(os.listdir, "/boot"), attempt(os.listdir, "/sys/class"), attempt(os.listdir, "/sys/firmware")]
