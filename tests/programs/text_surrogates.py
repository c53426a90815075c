# Lone surrogates: repr, escapes, and every way that encoding refuses or keeps them.
lone = "a\ud800b"
print(repr(lone), ascii(lone), len(lone), lone == "a\ud800b")
print(lone.encode("utf-8", "surrogatepass"), lone.encode("utf-8", "replace"), lone.encode("utf-8", "backslashreplace"))
print(b"\xff\xfe".decode("utf-8", "surrogateescape").encode("utf-8", "surrogateescape"))
print("\ud83d\ude00" == "😀", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"))
messages = []
for encoding in ("utf-8", "utf-16", "ascii", "latin-1"):
    try:
        lone.encode(encoding)
    except UnicodeEncodeError as error:
        messages.append(str(error))
try:
    print(lone)
except UnicodeEncodeError as error:
    messages.append(f"print: {error.reason}")
print("\n".join(messages))
[repr(lone), messages[0]]
