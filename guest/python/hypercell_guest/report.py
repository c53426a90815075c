"""Exceptions of submitted code as text: what the interpreter would print, from the code's own first frame on.

Guarantees: something is answered for every exception, also one whose `__str__` fails, one without memory to format
it, and one after `traceback` itself was broken; texts are valid UTF-8 of at most 64 KiB. Frames of this package are
left out, and leaving with status 0 is no error.

Before: `runner`. After: `codec`.
"""

from traceback import format_exception

from hypercell_guest import private_builtins as __builtins__  # noqa: F401
from hypercell_guest.codec import encode

MAX_MESSAGE_TEXT_BYTES = 64 << 10
#: Frames at either end of a traceback that are shown after memory ran out: there may be millions.
_FRAMES_KEPT = 20
_PACKAGE = __file__.rpartition("/")[0] + "/"
#: Body of RunDone where no other can be made.
OUT_OF_MEMORY_BODY = encode({"err": {"type": "MemoryError", "msg": "", "tb": "MemoryError\n", "line": None}})


def error_body(error, name, line=None):
    """Returns the body of RunDone for an exception of the code whose file is `name`.

    Args:
        error: The exception.
        name: File name of the submitted code.
        line: Line to name if the traceback has none.

    Raises:
        MemoryError: there is not enough memory for it.
    """
    try:
        status = _exit_status(error.code) if isinstance(error, SystemExit) else None
        if status == 0:
            return encode({"value": None, "exit": 0})
        body = {"err": _describe(error, name, line)}
        if status is not None:
            body["exit"] = status
        return encode(body)
    except MemoryError:
        raise
    except BaseException:
        return _bare_body(error, line)


def text(value):
    """Returns `value` as it can be sent: lone surrogates escaped, the middle of a long one left out."""
    half = MAX_MESSAGE_TEXT_BYTES // 2 - 40
    cut = 0
    if len(value) > MAX_MESSAGE_TEXT_BYTES:
        cut = len(value) - MAX_MESSAGE_TEXT_BYTES
        value = value[: MAX_MESSAGE_TEXT_BYTES // 2] + value[-(MAX_MESSAGE_TEXT_BYTES // 2) :]
    data = value.encode("utf-8", "backslashreplace")
    if len(data) <= MAX_MESSAGE_TEXT_BYTES and not cut:
        return data.decode()
    head, tail = data[:half].decode("utf-8", "ignore"), data[-half:].decode("utf-8", "ignore")
    return f"{head}\n[... about {cut + len(data) - 2 * half} bytes left out ...]\n{tail}"


def forget_frames(error):
    """Gives back the memory that an exception holds: local variables, what it is chained to, and the middle frames."""
    error.__context__ = None
    frames = 0
    frame = error.__traceback__
    while frame is not None:
        try:
            frame.tb_frame.clear()
        except RuntimeError:  # still running: a frame of this package
            pass
        frame, frames = frame.tb_next, frames + 1
    if frames <= 2 * _FRAMES_KEPT:
        return
    first = last = error.__traceback__
    for _ in range(frames - _FRAMES_KEPT):
        last = last.tb_next
    for _ in range(_FRAMES_KEPT - 1):
        first = first.tb_next
    first.tb_next = last


def _describe(error, name, line):
    _leave_out_package(error)
    first = error.__traceback__
    while first is not None and first.tb_frame.f_code.co_filename != name:
        first = first.tb_next
    try:
        message = str(error)
    except Exception:
        message = "<exception str() failed>"
    try:
        traceback = "".join(format_exception(type(error), error, first))
    except Exception:
        traceback = _plain_traceback(error, first, message)
    return {
        "type": text(type(error).__name__),
        "msg": text(message),
        "tb": text(traceback),
        "line": _line(error, name, first) or line,
    }


def _line(error, name, frame):
    """Returns the last line of the code that the exception passed; for a SyntaxError in the code, the line at fault."""
    if isinstance(error, SyntaxError) and error.filename == name:
        return error.lineno if isinstance(error.lineno, int) and error.lineno > 0 else None
    line = None
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == name:
            line = frame.tb_lineno
        frame = frame.tb_next
    return line


def _leave_out_package(error):
    """Takes this package's frames out of the tracebacks of an exception and of all that it is chained to."""
    waiting, seen = [error], set()
    while waiting:
        error = waiting.pop()
        if not isinstance(error, BaseException) or id(error) in seen:
            continue
        seen.add(id(error))
        frame = error.__traceback__
        while frame is not None:
            following = frame.tb_next
            while following is not None and following.tb_frame.f_code.co_filename.startswith(_PACKAGE):
                frame.tb_next = following = following.tb_next
            frame = following
        waiting += [error.__cause__, error.__context__, *getattr(error, "exceptions", ())]


def _plain_traceback(error, frame, message):
    """What is left to say when `traceback` does not work."""
    lines = ["Traceback (most recent call last):\n"] if frame is not None else []
    while frame is not None:
        code = frame.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {frame.tb_lineno}, in {code.co_name}\n')
        frame = frame.tb_next
    return "".join(lines) + f"{type(error).__name__}: {message}\n"


def _bare_body(error, line):
    kind = text(type(error).__name__)
    return encode({"err": {"type": kind, "msg": "<no details>", "tb": kind + "\n", "line": line}})


def _exit_status(code):
    """Returns the status that a process would exit with; a text, which it would print, is the error's message."""
    if code is None:
        return 0
    return int(code) & 0xFF if isinstance(code, int) else 1
