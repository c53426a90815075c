# Formatted strings that reuse their own quotes and hold comments and line breaks (PEP 701).
# requires: 3.12
words = ["a", "b"]
print(f"{", ".join(words)} and {f"{f"{1 + 1}"}"}")
text = f"{
    words[0]  # a comment
    + "\n"
}"
[text, f"{"\t"!r}"]
