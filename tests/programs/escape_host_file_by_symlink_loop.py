# Follows links that lead to themselves and chains that are too long. The kernel must give up with ELOOP.
EXPECTED = ["ELOOP", "ELOOP", "ENAMETOOLONG"]
os.symlink("/tmp/b", "/tmp/a")
os.symlink("/tmp/a", "/tmp/b")
os.symlink("/tmp", "/tmp/c0")
for n in range(100):
    os.symlink(f"/tmp/c{n}", f"/tmp/c{n + 1}")
[attempt(open, "/tmp/a"), attempt(os.listdir, "/tmp/c100"), attempt(open, "/tmp/c5" * 600)]
