# textwrap, string and reprlib: shaping text.
import reprlib
import string
import textwrap

prose = "The quick brown fox jumped over the lazy dog and then it went on to do a great many other-things besides."
print(textwrap.fill(prose, 30, initial_indent="* ", subsequent_indent="  "))
print(textwrap.shorten(prose, 40, placeholder="..."), repr(textwrap.dedent("    a\n      b\n    c")))
print(textwrap.indent("one\n\ntwo", "> "))
template = string.Template("$who owes $$${amount} to ${who}")
print(template.substitute(who="Ann", amount=5), template.safe_substitute(who="Bob"))
try:
    template.substitute(who="x")
except KeyError as error:
    print("missing", error)
print(string.capwords("hello wide world"), string.ascii_lowercase[:5], string.hexdigits, len(string.punctuation))
print("{0:>5}|{name!r:<8}|{1[0]}|{2.real}".format("x", [9], 3j, name="n"), string.Formatter().format("{}-{}", 1, 2))
print(reprlib.repr(list(range(100))), reprlib.repr("x" * 100))
[line for line in textwrap.wrap(prose, 25)]
