"""Draws the panels that come as JSON on standard input, one for each work, to the SVG file that is named."""

import json
import math
import sys

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams.update(
    {"svg.fonttype": "none", "svg.hashsalt": "peers", "font.size": 8, "font.family": "sans-serif"}
)

import matplotlib.pyplot as plt  # noqa: E402 (the backend must be chosen first)

COLUMNS = 3
OWN, OTHER = "#1f6f4a", "#9aa7b4"


def main() -> None:
    panels = json.load(sys.stdin)
    rows = -(-len(panels) // COLUMNS)
    height = 0.2 * len(panels[0]["bars"]) + 0.75
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(12, height * rows), sharey=True, squeeze=False)
    for panel, axis in zip(panels, axes.flat, strict=False):
        draw(axis, panel)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    figure.tight_layout()
    figure.savefig(sys.argv[1], metadata={"Date": None}, transparent=False)


def draw(axis: plt.Axes, panel: dict) -> None:
    """Draws one work: a bar for each peer from the top down, on a logarithmic scale; shorter is better."""
    names = [name for name, _, _ in panel["bars"]]
    values = [value * panel["scale"] if value else None for _, value, _ in panel["bars"]]
    known = [value for value in values if value]
    # Whole decades, and room for the figure after the longest bar.
    left, right = 10 ** math.floor(math.log10(min(known) / 1.5)), 10 ** math.ceil(math.log10(max(known) * 2))
    for place, (value, (_, _, is_own)) in enumerate(zip(values, panel["bars"], strict=True)):
        if value:
            axis.barh(place, value - left, left=left, color=OWN if is_own else OTHER, height=0.7)
        axis.text((value or left) * 1.1, place, number(value) if value else "not measured", va="center")
    axis.set_xscale("log")
    axis.set_xlim(left, right)
    axis.xaxis.set_major_formatter(lambda value, _place: f"{value:,.10g}")
    axis.xaxis.set_minor_formatter(lambda _value, _place: "")
    axis.set_yticks(range(len(names)), names)
    axis.set_title(panel["title"], loc="left", fontsize=8.5)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(axis="x", labelsize=7)
    if not axis.yaxis_inverted():
        axis.invert_yaxis()


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
