# The methods of str and bytes on ordinary and awkward input.
text = "  Hello, Wörld! hello  "
print(text.strip(), text.split(), text.split(",", 1), text.partition("l"), text.rpartition("l"), text.count("l"))
print(text.replace("l", "L", 2), text.title(), text.swapcase(), text.find("W"), text.rindex("h"), text.casefold())
print("a,b,,c".split(","), "a  b".split(" "), "".split(), "".split(","), "x\ny\r\nz\u2028w".splitlines(True), "1.2.3".rsplit(".", 1))
print("abc".center(9, "*"), "42".zfill(5), "-7".zfill(4), "a\tb\tc".expandtabs(4), "tést".ljust(6, "."), "|")
print("abc".translate(str.maketrans("ab", "xy", "c")), "prefix-x".removeprefix("prefix-"), "x.py".removesuffix(".py"))
print("abc"[::-1], "abcdef"[1:5:2], "abc"[-10:10], "abc" * 2, "b" in "abc", min("hello"), "a" < "B")
print("".join(map(chr, range(0x1F600, 0x1F603))), [ord(c) for c in "a€😀"], "%05.1f|%-5s|%+d|%x|%r" % (3.14159, "ab", 5, 255, "q"))
print(b"abc".upper(), b"a-b".split(b"-"), b"\x01\xff".hex(":"), bytes([65, 66]), b"abc"[0], b"ab".find(98), b"x".join([b"1", b"2"]))
messages = []
for bad in (lambda: "abc".index("z"), lambda: "a" + 1, lambda: "x" * "y", lambda: "%d" % "x", lambda: "abc"[5], lambda: b"a" + "a", lambda: chr(-1), lambda: "{}".format(), lambda: "a".encode("ascii").decode(b"x"), lambda: str(b"\xff", "ascii")):
    try:
        bad()
    except (ValueError, TypeError, IndexError) as error:
        messages.append(f"{type(error).__name__}: {error}")
print("\n".join(messages))
[text.isupper(), "Titled Text".istitle(), "".isalnum(), "a1".isalnum(), " ".isspace(), "\x00".isprintable()]
