"""A table of text of several widths and numbers in seven formats."""
# packages: tabulate
# image: text
import hashlib

from tabulate import tabulate


def work():
    rows = [(f"name {i}", i * 7919 % 1000 / 8, "ü" * (i % 5), None if i % 7 else True) for i in range(300)]
    head = ("name", "value", "text", "flag")
    kinds = ("plain", "grid", "github", "html", "latex", "tsv", "fancy_grid")
    texts = {kind: tabulate(rows, head, tablefmt=kind, floatfmt=".2f") for kind in kinds}
    return {kind: hashlib.sha256(text.encode()).hexdigest()[:16] for kind, text in texts.items()} | {
        "shown": tabulate(rows[:2], head, tablefmt="github")
    }
