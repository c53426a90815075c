# contextlib: contextmanager, ExitStack, suppress, redirect, closing, nullcontext, async forms.
import contextlib
import io

log = []


@contextlib.contextmanager
def section(name):
    log.append(f"<{name}>")
    try:
        yield name.upper()
    except ValueError as error:
        log.append(f"handled {error}")
    finally:
        log.append(f"</{name}>")


with section("a") as upper:
    log.append(upper)
    raise ValueError("inside")

with contextlib.ExitStack() as stack:
    names = [stack.enter_context(section(n)) for n in "bc"]
    stack.callback(log.append, "callback")
    kept = stack.pop_all()
log.append("still open")
kept.close()

with contextlib.suppress(ZeroDivisionError, KeyError):
    1 / 0
with contextlib.redirect_stdout(io.StringIO()) as captured:
    print("hidden")


@section("decorated")
def work():
    log.append("work")


work()


class Door:
    def close(self):
        log.append("closed")


with contextlib.closing(Door()), contextlib.nullcontext(5) as five:
    log.append(five)


@contextlib.contextmanager
def broken():
    if False:
        yield


try:
    with broken():
        pass
except RuntimeError as error:
    log.append(str(error))
print(captured.getvalue().strip(), names)
log
