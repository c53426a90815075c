# Writes, renames, removes and changes modes in the trees of the image. All must be refused.
EXPECTED = [
    {"EROFS"}, {"EROFS"}, {"EROFS"}, "EROFS", "EROFS", "EROFS", "EROFS", "EXDEV", "EBUSY", "EROFS",
    "EBUSY",
]
places = ["/", "/python", "/guest", "/guest/hypercell_guest", "/lib", "/lib64", "/etc", "/proc", "/sys", "/usr"]
new = {attempt(open, f"{place}/new", "w") for place in places}
made = {attempt(os.mkdir, f"{place}/folder") for place in places}
linked = {attempt(os.symlink, "/tmp", f"{place}/link") for place in places}
package = "/guest/hypercell_guest/__init__.py"
[new, made, linked, attempt(open, package, "a"), attempt(os.truncate, package, 0), attempt(os.remove, package), attempt(os.chmod, package, 0o777), attempt(os.rename, package, "/tmp/x"), attempt(os.rename, "/tmp", "/python"), attempt(os.utime, package), attempt(os.rmdir, "/proc")]
