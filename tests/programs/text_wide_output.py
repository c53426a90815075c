# Printing text of every plane: separators, ends, flush, bytes that are not text.
import sys

print("ascii", "Ελληνικά", "русский", "日本語", "العربية", "עברית", "😀👩‍🚀", sep=" | ", end=" <end>\n")
print("tab\tbell\a nul\0 escape\x1b[0m", "null in the middle", sep="\n", flush=True)
print(*[], sep="x")
print(None, True, 1.0, b"bytes", [1], {"k": "é"}, sep="")
sys.stdout.write("no newline")
print(file=sys.stdout)
print("to error: ñ 漢字", file=sys.stderr)
try:
    print("x", sep=5)
except TypeError as error:
    print(error)
"日本語 😀 \x00 end"
