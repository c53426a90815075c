# sys: what a program may ask the interpreter, where the answer is the same everywhere.
import sys

print(sys.byteorder, sys.maxsize, sys.maxunicode, sys.float_info.mant_dig, sys.int_info.bits_per_digit, sys.hash_info.width)
print(sys.implementation.name, sys.version_info >= (3, 10), sys.platform, sys.getdefaultencoding(), sys.getfilesystemencoding())
print(sys.getrecursionlimit(), sys.getrefcount(object()) >= 1, sys.getsizeof([]) > 0, sys.intern("a") is sys.intern("a"))
print(sys.stdout.encoding, sys.stderr.encoding, sys.stdout.errors, sys.stderr.errors, sys.stdout.writable(), sys.flags.optimize)
print(sys.getswitchinterval(), sys.is_finalizing(), "json" in sys.stdlib_module_names, "sys" in sys.builtin_module_names)
sys.stdout.write("written ")
sys.stdout.writelines(["by ", "parts\n"])
print("to stderr", file=sys.stderr)
sys.setrecursionlimit(2000)
[sys.getrecursionlimit(), sys.exc_info(), sys.getwindowsversion if hasattr(sys, "getwindowsversion") else None]
