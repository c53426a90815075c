"""What went wrong in a program, as the host gets it: type, message, traceback, line.

Before: runner. After: the RunDone message.
"""

import os
import traceback

MAX_TEXT_BYTES = 64 * 1024
_OWN_FILES = os.path.dirname(os.path.abspath(__file__)) + os.sep


def limited(text):
    """Returns text that can cross: valid UTF-8, at most 64 KiB, cut in the middle with a mark."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) > MAX_TEXT_BYTES:
        half = (MAX_TEXT_BYTES - 64) // 2
        mark = f"\n... {len(data) - 2 * half} bytes cut ...\n".encode()
        data = data[:half] + mark + data[-half:]
    return data.decode("utf-8", "ignore")


def _message(error):
    try:
        return str(error)
    except Exception:  # A program's own __str__ may raise.
        return "<exception str() failed>"


def _hide_own_frames(formatted, seen):
    """Takes the frames of this package out of a TracebackException and all it links to."""
    if formatted is None or id(formatted) in seen:
        return
    seen.add(id(formatted))
    formatted.stack[:] = [frame for frame in formatted.stack if not frame.filename.startswith(_OWN_FILES)]
    _hide_own_frames(formatted.__cause__, seen)
    _hide_own_frames(formatted.__context__, seen)
    for part in getattr(formatted, "exceptions", None) or ():
        _hide_own_frames(part, seen)


def format_traceback(error, frames=None):
    """Formats an exception as CPython prints it, without the frames of this package; of `frames` frames at most."""
    formatted = traceback.TracebackException(
        type(error), error, error.__traceback__, limit=frames, compact=True
    )
    _hide_own_frames(formatted, set())
    linked = formatted.__cause__ or formatted.__context__ or getattr(formatted, "exceptions", None)
    if not formatted.stack and not linked:
        # As for a syntax error in a script: no frames, no header.
        return "".join(formatted.format_exception_only())
    return "".join(formatted.format())


def line_of(error, filename):
    """Returns the innermost line of the program that the exception passed through, or `None`."""
    line = None
    if isinstance(error, SyntaxError) and error.filename == filename:
        line = error.lineno
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == filename:
            line = step.tb_lineno
        step = step.tb_next
    return line


def describe(error, filename, frames=None):
    """Returns the `err` map of a RunDone message; its traceback has at most `frames` frames, or all."""
    return {
        "type": limited(type(error).__name__),
        "msg": limited(_message(error)),
        "tb": limited(format_traceback(error, frames)),
        "line": line_of(error, filename),
    }
