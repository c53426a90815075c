# difflib: unified diffs, close matches, ratios.
import difflib

old = "one\ntwo\nthree\nfour\n".splitlines(True)
new = "one\n2\nthree\nfour\nfive\n".splitlines(True)
print("".join(difflib.unified_diff(old, new, "old.txt", "new.txt")))
print("".join(difflib.ndiff(old, new)))
matcher = difflib.SequenceMatcher(None, "hypercell", "hypervisor")
print(matcher.ratio(), matcher.get_opcodes())
[difflib.get_close_matches("appel", ["ape", "apple", "peach", "puppy"]), list(difflib.restore(difflib.ndiff(old, new), 2))]
