# Leaves through /output, which the host collects: dots, links, odd names. Dots must end at the guest's read-only root.
EXPECTED = ["allowed", "EROFS", "allowed", "allowed", "allowed", "ENOENT", "EEXIST", "EXDEV"]
linked = attempt(os.symlink, host_file, "/output/link")
names = ["/output/../etc/new", "/output/a\nb", "/output/./x", "/output/\\..\\y"]
[linked] + [attempt(open, name, "w") for name in names] + [attempt(open, "/output/../../.." + host_file), attempt(os.mkdir, "/output/.."), attempt(os.link, "/etc/passwd", "/output/passwd")]
