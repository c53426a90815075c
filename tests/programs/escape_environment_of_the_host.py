# Looks for the host's environment: variables, arguments, the user, names. Only what the guest sets may be there.
EXPECTED = [
    ["HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH"],
    ["HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH"],
    [], None, ("Linux", "hypercell"), 0, "ENOTTY",
]
lines = open("/proc/self/environ", "rb").read().split(b"\0")
values = sorted(os.environ)
block = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
inherited, n = [], 0
while block[n]:
    inherited.append(block[n].split(b"=")[0].decode())
    n += 1
[values, sorted(inherited), [line for line in lines if b"HYPERCELL" in line], os.environ.get("HYPERCELL_TEST_SECRET"), os.uname()[:2], os.getuid(), attempt(os.getlogin)]
