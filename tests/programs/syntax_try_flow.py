# What finally, else, return, break and continue do together.
log = []


def flow(kind):
    for i in range(2):
        try:
            log.append(f"{kind} {i}")
            if kind == "return":
                return "returned"
            if kind == "continue":
                continue
            if kind == "break":
                break
            if kind == "raise":
                raise KeyError(i)
        except KeyError as error:
            log.append(f"caught {error}")
        else:
            log.append("else")
        finally:
            log.append("finally")
    else:
        log.append("loop else")
    return "end"


def nested():
    try:
        try:
            1 / 0
        finally:
            log.append("inner finally")
    except ZeroDivisionError as error:
        log.append(f"outer {error}")
        try:
            error.missing
        except AttributeError as second:
            return type(second.__context__).__name__
    finally:
        log.append("outer finally")


ends = [flow(kind) for kind in ("plain", "return", "continue", "break", "raise")]
print("\n".join(log))
ends + [nested()]
