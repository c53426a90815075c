# The environment: changed by the program, seen by os and libc.
import os

os.environ["HYPER_TEST"] = "a=b"
print(os.environ["HYPER_TEST"], os.environb[b"HYPER_TEST"], "HYPER_TEST" in os.environ)
os.putenv("HYPER_PUT", "x")
print(os.getenv("HYPER_PUT"), os.path.expandvars("${HYPER_TEST}!"))
del os.environ["HYPER_TEST"]
errors = []
for bad in (lambda: os.environ["HYPER_TEST"], lambda: os.environ.__setitem__("A", 5), lambda: os.environ.__setitem__("A=B", "x"), lambda: os.environ.__setitem__("A", "n\0ul")):
    try:
        bad()
    except (KeyError, TypeError, ValueError, OSError) as error:
        errors.append(f"{type(error).__name__}: {error}")
print(os.environ["HOME"] != "", os.environ.get("LANG"))
errors
