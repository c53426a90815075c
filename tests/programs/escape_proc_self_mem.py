# Reads and writes memory through /proc/self/mem and /proc/self/pagemap. There are no such files; how the kernel would choose whom to end can be read alone.
EXPECTED = ["ENOENT", "ENOENT", "ENOENT", "EACCES", "ENOENT", "ENOENT"]
[attempt(open, f"/proc/self/{name}", "r+b") for name in ("mem", "pagemap", "clear_refs", "oom_score_adj", "setgroups", "uid_map")]
