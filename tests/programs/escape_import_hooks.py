# Leaves modules in /tmp and hooks of import that a later run, or the guest itself, could load.
EXPECTED = [[], True]
import importlib.abc, sys
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        os.write(1, b"asked for " + name.encode())
for name in ("hypercell_guest", "sitecustomize", "usercustomize", "decimal"):
    open(f"/tmp/{name}.py", "w").write("raise SystemExit('taken')\n")
before = [type(one).__name__ for one in sys.meta_path if type(one).__name__ == "Finder"]
sys.path.insert(0, "/tmp")
sys.meta_path.append(Finder())
[before, "hypercell_guest" in sys.modules]
