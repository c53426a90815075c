"""A run that pauses at a tool call, and its tools."""

CODE = "print('before')\nn = double(4)\nok = approve(what='mail')\nprint('after')\n[n, ok]"


def double(n: int) -> int:
    """Doubles a number."""
    return 2 * n


def approve(what: str) -> bool:
    """Asks somebody, who is not there."""
    raise AssertionError("a call that pauses runs no tool")


TOOLS = [double, approve]
