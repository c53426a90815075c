"""Unicode properties, recursion, fuzzy matching, lookbehind of any length, named lists and a timeout."""
# packages: regex
# image: text
import regex


def work():
    text = "Straße 12, Ελλάδα, 日本語, foo(bar(baz)), 2024-02-29; " * 500
    try:
        regex.match(r"(a+a+)+b", "a" * 40, timeout=0.05)
        stopped = False
    except TimeoutError:
        stopped = True
    return {
        "scripts": len(regex.findall(r"\p{Greek}+|\p{Han}+", text)),
        "nested": regex.search(r"\((?:[^()]++|(?R))*+\)", text)[0],
        "fuzzy": [m[0] for m in regex.finditer(r"(?b)(?:cats|cat){e<=1}", "bat cart cat")],
        "lookbehind": len(regex.findall(r"(?<=\d{4}-\d+-)\d+", text)),
        "list": len(regex.findall(r"\L<words>", text, words=["foo", "日本"])),
        "folded": regex.fullmatch(r"(?if)STRASSE", "straße") is not None,
        "split": len(regex.split(r"(?V1)(?<=;)", text)),
        "graphemes": regex.findall(r"\X", "e\u0301👨‍👩‍👧"),
        "stopped": stopped,
    }
