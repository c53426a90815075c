# codecs and stringprep: incremental decoding, error handlers, rare encodings.
import codecs
import encodings.idna
import stringprep

decoder = codecs.getincrementaldecoder("utf-8")()
print([decoder.decode(bytes([b])) for b in "é€".encode()])
codecs.register_error("stars", lambda error: ("*" * (error.end - error.start), error.end))
print("naïve ☃".encode("ascii", "stars"), "☃".encode("ascii", "xmlcharrefreplace"), "☃".encode("ascii", "namereplace"))
for name in ("utf-16-le", "utf-32-be", "utf-7", "cp1252", "shift_jis", "gb18030", "koi8-r", "big5", "euc_kr", "cp437", "utf-8-sig", "punycode", "unicode_escape"):
    text = {"koi8-r": "Привет", "shift_jis": "日本", "gb18030": "中文", "big5": "中文", "euc_kr": "한국"}.get(name, "aé")
    packed = text.encode(name)
    print(name, packed, packed.decode(name) == text)
print(codecs.encode("hello", "rot13"), codecs.lookup("latin1").name, codecs.BOM_UTF8, "bücher.example".encode("idna"))
print(stringprep.in_table_a1("\u0221"), codecs.escape_decode(rb"\x41\n")[0])
try:
    "x".encode("no-such-codec")
except LookupError as error:
    print(error)
[codecs.charmap_encode("é", "strict", {233: 65})[0], encodings.normalize_encoding("UTF 8")]
