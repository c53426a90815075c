# Unicode normal forms, categories, names, case folding, widths.
import unicodedata

composed, decomposed = "é", "e\u0301"
for form in ("NFC", "NFD", "NFKC", "NFKD"):
    print(form, [ascii(unicodedata.normalize(form, s)) for s in (composed, decomposed, "ﬁ①Å", "한")])
print(composed == decomposed, unicodedata.is_normalized("NFC", composed), unicodedata.name("€"), unicodedata.lookup("SNOWMAN"))
print([unicodedata.category(c) for c in "aA1 _€\n\u0301"], unicodedata.bidirectional("א"), unicodedata.east_asian_width("中"), unicodedata.combining("\u0301"))
print("straße".upper(), "STRASSE".casefold() == "straße".casefold(), "ǅ".title(), "İ".lower().encode(), "ﬀ".capitalize(), "ΣΑΣ".lower())
print("½".isnumeric(), unicodedata.numeric("½"), int("٣٤"), "²".isdigit(), "²".isdecimal(), "ªx".isidentifier())
stripped = "".join(c for c in unicodedata.normalize("NFD", "crème brûlée") if not unicodedata.combining(c))
[stripped, sorted(["éa", "ez", "f"], key=lambda s: unicodedata.normalize("NFD", s)), len("👨‍👩‍👧"), "e\u0301"[::-1]]
