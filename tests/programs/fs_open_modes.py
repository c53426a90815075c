# open: every mode, what each creates, truncates and refuses.
import os
import tempfile

os.chdir(tempfile.mkdtemp())
errors = []


def attempt(action):
    try:
        return action()
    except (OSError, ValueError) as error:
        errors.append(f"{type(error).__name__}: {error}")


attempt(lambda: open("new", "r"))
attempt(lambda: open("new", "r+"))
with open("new", "x") as f:
    f.write("created")
attempt(lambda: open("new", "x"))
with open("new", "r+") as f:
    f.write("CRE")
    print(f.read(), f.tell())
with open("new", "a+") as f:
    f.write("!")
    f.seek(0)
    print(f.read(), f.mode, f.name)
with open("new", "w+") as f:
    print(repr(f.read()))
    attempt(lambda: open("new", "rw"))
with open("new", "rb") as f:
    attempt(lambda: f.write(b"x"))
attempt(lambda: f.read())
attempt(lambda: open("."))
attempt(lambda: open("new/inside"))
attempt(lambda: open("a" * 300))
attempt(lambda: open("no\0nul"))
print("\n".join(errors))
os.listdir()
