# re: groups, look-around, flags, substitution, scanner-like use, errors.
import re

log = "2024-02-29 ERROR disk=95% host=web-1\n2024-03-01 INFO disk=12% host=web-2"
pattern = re.compile(r"^(?P<date>\d{4}-\d\d-\d\d) (?P<level>[A-Z]+) .*?disk=(?P<disk>\d+)%", re.M)
found = [m.groupdict() for m in pattern.finditer(log)]
print(found, [m.span("disk") for m in pattern.finditer(log)])
print(re.sub(r"(\w+)=(\S+)", lambda m: f"{m[2]}={m[1].upper()}", log))
print(re.split(r"[\s=]+", log)[:5], re.findall(r"(?i)(?<=host=)\S+(?!\w)", log))
print(re.fullmatch(r"(a+)(b)?\1", "aaaa").groups(), re.match(r"(?s).*", "a\nb")[0] == "a\nb")
print(re.sub(r"\b(\w)(\w*)", r"\2\1ay", "pig latin words"), re.subn("x", "y", "xxz", count=1))
verbose = re.compile(
    r"""
    (?P<int>\d+)   # whole part
    (?:\.(?P<frac>\d+))?
    """,
    re.X,
)
print(verbose.match("12.50").groupdict(), verbose.groupindex, repr(re.compile("a", re.I | re.M)))
print(re.findall(r"\w+", "naïve Straße Ωmega"), re.findall(rb"\w+", "é a".encode()), re.escape("a.b*c"))
messages = []
for bad in ("(", "*a", "(?P<n>a)(?P<n>b)", "[z-a]", "(?<=a+)b"):
    try:
        re.compile(bad)
    except re.error as error:
        messages.append(f"{error.msg} at {error.pos}")
print(messages)
found
