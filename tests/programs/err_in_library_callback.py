# A traceback that goes through the library into the program's own function and back.
# raises: ValueError
import functools
import re


def replace(match):
    if match[0] == "3":
        raise ValueError(f"refused {match[0]}")
    return match[0] * 2


print(re.sub(r"\d", replace, "a1b2"))
functools.reduce(lambda text, digit: re.sub(digit, replace, text), ["1", "3"], "a1b3")
