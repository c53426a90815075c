"""Tools that `hypercell mcp --tools mcp_tools:...` serves in tests."""

import sys


def add(a: int, b: int = 0) -> int:
    """Adds two numbers."""
    return a + b


def pay(to: str, amount: float) -> str:
    """Pays somebody."""
    return f"paid {amount} to {to}"


def chatty() -> str:
    """Prints to the standard output of the server, which belongs to the protocol."""
    print("this is no message", flush=True)
    sys.stdout.write("neither is this\n")
    return "said"


ALL = [add, pay]
