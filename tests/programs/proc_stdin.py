# Standard input is empty.
# raises: EOFError
import sys

print(repr(sys.stdin.read()), sys.stdin.isatty())
input("question? ")
