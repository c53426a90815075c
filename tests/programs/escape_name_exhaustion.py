# Makes names and paths that are too long, and many directories in each other. Each must be refused at its limit.
EXPECTED = ["ENAMETOOLONG", "ENAMETOOLONG", "ValueError", True, True]
found = [attempt(open, "/tmp/" + "x" * 256, "w"), attempt(open, "/tmp/" + "x/" * 4000, "w"), attempt(open, "/tmp/a\0b", "w")]
depth = 0
os.chdir("/tmp")
while depth < 3000 and attempt(os.mkdir, "d") == "allowed" and attempt(os.chdir, "d") == "allowed":
    depth += 1
found + [depth > 0, attempt(os.getcwd) in ("allowed", "ENAMETOOLONG", "ERANGE", "ENOENT")]
