# Strings and bytes of some megabytes: built, searched, replaced, encoded.
text = "abcdefghij" * 400_000
print(len(text), text.count("ja"), text.find("jab", 3_000_000), len(text.replace("a", "éé").encode()))
data = bytearray(4_000_000)
data[::2] = b"\x01" * 2_000_000
print(data.count(1), bytes(data[-3:]), hash(text) == hash("abcdefghij" * 400_000))
pieces = [text[n : n + 1000] for n in range(0, len(text), 1000)]
print("".join(pieces) == text, len(set(pieces)))
[len(text.upper().split("J")), text[1_999_995:2_000_005]]
